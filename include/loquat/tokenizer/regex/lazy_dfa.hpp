#pragma once
/// \file
/// A deterministic automaton, built state by state as texts ask for it. A state is an ordered list of places in the
/// nondeterministic one, the most wanted first (Pike's simulation, as a table); a match drops what is wanted less. So
/// the first match in the order of a backtracking search is found in time linear in the text. Memory is bounded: a
/// table that is full is begun anew.

#include <loquat/tokenizer/regex/symbols.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat::regex_detail {

/// The states of one automaton, which is given with each call.
class lazy_dfa {
 public:
  using state = std::uint32_t;
  static constexpr state dead = 0; ///< no match any more

  /// Where a symbol leads, and whether a match ends in front of it.
  struct transition {
    std::uint32_t bits = unknown_bits;
    static constexpr std::uint32_t unknown_bits = ~std::uint32_t{0};
    /// Not worked out yet.
    constexpr bool unknown() const noexcept { return bits == unknown_bits; }
    /// A match ends in front of the symbol.
    constexpr bool matched() const noexcept { return (bits & 1) != 0; }
    /// The state behind it.
    constexpr state next() const noexcept { return bits >> 1; }
  };

  constexpr void reset(automaton const& a) {
    marks_.assign(a.code.size(), 0);
    targets_.assign(a.code.size(), 0);
    stamp_ = 0;
    stride_ = 16;
    clear();
  }
  /// The state before anything is read; `last`: the character before, from the point of view of the direction.
  constexpr state start(automaton const& a, std::uint32_t at, signature const& last) {
    new_kernel_.assign(1, at);
    return intern(last_of(a, last));
  }
  /// The transition if it is known already.
  constexpr transition known(state from, symbol_table::symbol by) const noexcept {
    return by < stride_ ? table_[from * stride_ + by] : transition{};
  }
  /// Works a transition out.
  [[gnu::noinline]] constexpr transition step(automaton const& a, state from, symbol_table::symbol by,
                                              signature const& s) {
    if (++stamp_ == 0) {
      marks_.assign(marks_.size(), 0);
      targets_.assign(targets_.size(), 0);
      stamp_ = 1;
    }
    new_kernel_.clear();
    auto const [begin, end, last] = states_[from];
    bool matched = false;
    for (std::uint32_t i = begin; i != end && !(matched && !a.all); ++i)
      matched = visit(a, kernels_[i], last, s) || matched;
    auto const generation = generation_;
    state const next = intern(last_of(a, s));
    transition const t{next << 1 | static_cast<std::uint32_t>(matched)};
    if (generation == generation_ && by < symbol_table::max_symbols) {
      if (by >= stride_) widen(by);
      table_[from * stride_ + by] = t;
    }
    return t;
  }

 private:
  static constexpr std::size_t max_table = 1 << 18, max_kernels = 1 << 18;

  struct place {
    std::uint32_t begin, end; // in kernels_
    std::uint64_t last;       // which of the automaton's last_sets the character before is in
  };

  static constexpr std::uint64_t last_of(automaton const& a, signature const& s) noexcept {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < a.last_sets.size(); ++i) bits |= std::uint64_t{s.in(a.last_sets[i])} << i;
    return bits;
  }

  /// Follows all that reads nothing from `pc`; true if a match ends here.
  constexpr bool visit(automaton const& a, std::uint32_t first, std::uint64_t last, signature const& s) {
    bool matched = false;
    stack_.assign(1, first);
    while (!stack_.empty()) {
      std::uint32_t const pc = stack_.back();
      stack_.pop_back();
      auto const& i = a.code[pc];
      if (marks_[pc] == stamp_) {
        if (i.what == instruction::kind::loop) stack_.push_back(i.other);
        continue;
      }
      marks_[pc] = stamp_;
      bool holds = false;
      switch (i.what) {
      case instruction::kind::split:
      case instruction::kind::loop:
        stack_.push_back(i.other);
        stack_.push_back(i.next);
        continue;
      case instruction::kind::set:
        if (s.in(i.arg) && targets_[i.next] != stamp_) {
          targets_[i.next] = stamp_;
          new_kernel_.push_back(i.next);
        }
        continue;
      case instruction::kind::match:
        if (!a.all) return true;
        matched = true;
        continue;
      case instruction::kind::fail:
        continue;
      case instruction::kind::next_in:
        holds = s.in(i.arg);
        break;
      case instruction::kind::last_in:
        holds = (last >> i.arg & 1) != 0;
        break;
      case instruction::kind::condition:
        holds = (s.conditions >> i.arg & 1) != 0;
        break;
      }
      if (holds != i.negated) stack_.push_back(i.next);
    }
    return matched;
  }

  constexpr void clear() {
    ++generation_;
    table_.assign(stride_, transition{0}); // the dead state leads to itself
    kernels_.clear();
    states_.assign(1, place{0, 0, 0});
    buckets_.assign(64, dead);
  }
  constexpr std::size_t bucket_of(std::span<std::uint32_t const> kernel, std::uint64_t last) const noexcept {
    std::uint64_t hash = last * 0x9E3779B97F4A7C15u;
    for (std::uint32_t const pc : kernel) hash = (hash ^ pc ^ hash >> 29) * 0xD6E8FEB86659FD93u;
    return static_cast<std::size_t>(hash ^ hash >> 32) & (buckets_.size() - 1);
  }
  /// The state of `new_kernel_`.
  constexpr state intern(std::uint64_t last) {
    if (new_kernel_.empty()) return dead;
    std::span<std::uint32_t const> const kernel(new_kernel_);
    std::size_t i = bucket_of(kernel, last);
    for (; buckets_[i] != dead; i = (i + 1) & (buckets_.size() - 1)) {
      auto const& p = states_[buckets_[i]];
      bool same = p.last == last && p.end - p.begin == kernel.size();
      for (std::size_t k = 0; same && k < kernel.size(); ++k) same = kernels_[p.begin + k] == kernel[k];
      if (same) return buckets_[i];
    }
    if (table_.size() + stride_ > max_table || kernels_.size() + kernel.size() > max_kernels) {
      clear();
      i = bucket_of(kernel, last);
    }
    auto const id = static_cast<state>(states_.size());
    auto const begin = static_cast<std::uint32_t>(kernels_.size());
    kernels_.insert(kernels_.end(), kernel.begin(), kernel.end());
    states_.push_back({begin, static_cast<std::uint32_t>(kernels_.size()), last});
    table_.resize(table_.size() + stride_, {});
    buckets_[i] = id;
    if (2 * states_.size() > buckets_.size()) {
      buckets_.assign(2 * buckets_.size(), dead);
      for (state s = 1; s < states_.size(); ++s) {
        auto const& p = states_[s];
        i = bucket_of(std::span(kernels_).subspan(p.begin, p.end - p.begin), p.last);
        while (buckets_[i] != dead) i = (i + 1) & (buckets_.size() - 1);
        buckets_[i] = s;
      }
    }
    return id;
  }
  /// Makes rows long enough for symbol `by`.
  constexpr void widen(symbol_table::symbol by) {
    std::uint32_t wider = stride_;
    while (wider <= by) wider *= 2;
    std::vector<transition> table(states_.size() * wider);
    for (std::size_t s = 0; s < states_.size(); ++s)
      for (std::size_t i = 0; i < wider; ++i)
        table[s * wider + i] =
            i < stride_ ? table_[s * stride_ + i] : transition{s == dead ? 0 : transition::unknown_bits};
    table_.swap(table);
    stride_ = wider;
  }

  std::vector<transition> table_;
  std::uint32_t stride_ = 16;
  std::vector<place> states_;
  std::vector<std::uint32_t> kernels_;
  std::vector<state> buckets_;
  std::size_t generation_ = 0;
  std::vector<std::uint32_t> marks_, targets_, stack_, new_kernel_;
  std::uint32_t stamp_ = 0;
};

} // namespace loquat::regex_detail
