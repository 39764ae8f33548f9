#pragma once
/// \file
/// Makes precompiled character maps of strings and their replacements, in the plainest way.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// A string and what replaces it.
using mapping = std::pair<std::string_view, std::string_view>;

/// The bytes of a map.
class charsmap_builder {
 public:
  constexpr explicit charsmap_builder(std::span<mapping const> all)
      : all_(all), units_(512, 0u), used_(512, 0), bases_(512, 0) {
    for (auto const& [from, to] : all) {
      values_.push_back(static_cast<std::uint32_t>(texts_.size()));
      texts_.insert(texts_.end(), to.begin(), to.end());
      texts_.push_back('\0');
    }
    used_[0] = 1;
    place("", 0);
  }

  constexpr std::vector<char> bytes() const {
    std::vector<char> out;
    out.reserve(4 + 4 * units_.size() + texts_.size());
    auto const word = [&](std::uint32_t w) {
      for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(w >> shift));
    };
    word(static_cast<std::uint32_t>(4 * units_.size()));
    for (auto const unit : units_) word(unit);
    out.insert(out.end(), texts_.begin(), texts_.end());
    return out;
  }

 private:
  /// Gives the children of the node of `prefix`, at `node`, their places.
  constexpr void place(std::string_view prefix, std::size_t node) {
    std::vector<unsigned char> labels; // 0: the prefix is a string itself
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      auto const from = all_[i].first;
      if (!from.starts_with(prefix)) continue;
      auto const label = static_cast<unsigned char>(from.size() == prefix.size() ? '\0' : from[prefix.size()]);
      if (label == 0) value = values_[i];
      bool known = false;
      for (auto const l : labels) known = known || l == label;
      if (!known) labels.push_back(label);
    }
    std::size_t base = 1;
    for (bool fits = false; !fits;) {
      fits = bases_[base] == 0;
      for (auto const l : labels) fits = fits && (base ^ l) < used_.size() && used_[base ^ l] == 0;
      if (!fits) ++base;
    }
    units_[node] |= static_cast<std::uint32_t>((node ^ base) << 10);
    bases_[base] = 1;
    for (auto const l : labels) used_[base ^ l] = 1;
    for (auto const l : labels) {
      if (l == 0) {
        units_[node] |= 0x100;
        units_[base] = value | 0x80000000u;
        continue;
      }
      units_[base ^ l] = l;
      std::string_view longer;
      for (auto const& [from, to] : all_)
        if (from.size() > prefix.size() && from.starts_with(prefix) &&
            static_cast<unsigned char>(from[prefix.size()]) == l)
          longer = from.substr(0, prefix.size() + 1);
      place(longer, base ^ l);
    }
  }

  std::span<mapping const> all_;
  std::vector<std::uint32_t> units_, values_;
  std::vector<char> used_, bases_; // places of nodes; a base belongs to one node
  std::vector<char> texts_;
};

} // namespace test
