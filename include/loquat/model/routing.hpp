#pragma once
/// \file
/// Which experts a token takes, and with which weights (N. Shazeer et al., "Outrageously large neural networks", 2017;
/// DeepSeek-AI, "DeepSeek-V3", 2024, for groups and biases).

#include <loquat/core/math.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// How a router's outputs become weights of experts.
struct routing {
  bool logistic = false;       ///< an expert's probability is 1 / (1 + e⁻ˣ), rather than the softmax of all
  bool normalised = true;      ///< the weights of the chosen are divided by their sum
  float scale = 1;             ///< of the weights
  std::size_t groups = 1;      ///< of experts that follow each other; at most 64
  std::size_t groups_used = 1; ///< those with the highest sum of their two best experts
};

/// Experts of one token whose products are computed in one go, at most.
inline constexpr std::size_t experts_at_once = 8;

namespace detail {

/// Chooses experts for one token. A chosen one's probability is marked by its sign.
class expert_choice {
 public:
  constexpr expert_choice(routing const& how, std::span<float> probabilities, std::span<float const> bias)
      : how_(how), p_(probabilities), bias_(bias), in_group_(p_.size() / how.groups) {}

  constexpr void groups() {
    if (how_.groups_used >= how_.groups) return;
    open_ = 0;
    for (std::size_t i = 0; i < how_.groups_used; ++i) {
      std::size_t best = 0;
      float most = 0;
      bool found = false;
      for (std::size_t g = 0; g < how_.groups; ++g)
        if (float const sum = two_best(g); !is_open(g) && (!found || sum > most)) best = g, most = sum, found = true;
      open_ |= std::uint64_t{1} << best;
    }
  }
  // the best one that is left; false if there is none
  constexpr bool next() {
    std::size_t best = p_.size();
    for (std::size_t e = 0; e < p_.size(); ++e)
      if (is_open(e / in_group_) && !is_chosen(p_[e]) && (best == p_.size() || rank(e) > rank(best))) best = e;
    if (best == p_.size()) return false;
    p_[best] = -p_[best];
    return true;
  }
  static constexpr bool is_chosen(float p) noexcept { return std::bit_cast<std::uint32_t>(p) >> 31 != 0; }

 private:
  constexpr bool is_open(std::size_t group) const noexcept { return (open_ >> group & 1) != 0; }
  constexpr float rank(std::size_t e) const noexcept { return bias_.empty() ? p_[e] : p_[e] + bias_[e]; }
  constexpr float two_best(std::size_t group) const noexcept {
    float first = -1e30f, second = -1e30f;
    for (std::size_t e = group * in_group_; e < (group + 1) * in_group_; ++e) {
      second = std::max(second, std::min(first, rank(e)));
      first = std::max(first, rank(e));
    }
    return in_group_ == 1 ? first : first + second;
  }

  routing const& how_;
  std::span<float> p_;
  std::span<float const> bias_;
  std::size_t in_group_;
  std::uint64_t open_ = ~std::uint64_t{0};
};

} // namespace detail

/// Turns the router's outputs for one token, [experts], into weights: `used` of them, those of the highest probability
/// plus `bias` ([experts], or empty) and of equal ones the first, the others 0. Outputs that are not numbers give none.
constexpr void route(routing const& how, std::span<float> outputs, std::span<float const> bias, std::size_t used) {
  if (outputs.empty()) return;
  float const top = *std::ranges::max_element(outputs);
  float sum = 0;
  for (float& x : outputs) sum += x = how.logistic ? 1.0f / (1.0f + math::exp(-x)) : math::exp(x - top);
  for (float& x : outputs) {
    if (!how.logistic) x /= sum;
    if (!(x >= 0)) x = 0;
  }
  detail::expert_choice choice(how, outputs, bias);
  choice.groups();
  while (used > 0 && choice.next()) --used;
  float chosen = 0;
  for (float const x : outputs) chosen += choice.is_chosen(x) ? -x : 0.0f;
  float const divisor = how.normalised && chosen > 0 ? chosen : 1.0f;
  for (float& x : outputs) x = choice.is_chosen(x) ? -x * how.scale / divisor : 0.0f;
}

} // namespace loquat
