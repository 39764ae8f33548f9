#pragma once
/// \file
/// Whether the arrays of an index fit together, whatever its type: that all numbers of slots and lists are of ones
/// that exist, and that every key can be found. What passes can be changed and searched without further checks.

#include <loquat/core/result.hpp>
#include <loquat/index/file_layout.hpp>
#include <loquat/index/keys.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::detail {

/// Where the sections of a layout are in memory.
using section_bytes = std::vector<std::span<std::byte const>>;

/// Checks the arrays of an index, in time linear in their size.
class index_checker {
 public:
  index_checker(index_layout const& layout, section_bytes const& arrays) : info_(layout.info) {
    for (std::size_t i = 0; i < arrays.size(); ++i) at_[layout.sections[i].id] = arrays[i].data();
  }

  result<void> operator()() const {
    if (info_.kind == index_kind::hnsw) {
      if (auto good = check_erased(); !good) return good;
      if (auto good = check_levels(); !good) return good;
      if (auto good = check_links(); !good) return good;
    }
    return check_keys();
  }

 private:
  using number = array_number;

  result<void> check_erased() const {
    std::uint64_t erased = 0;
    for (std::size_t g = 0; g < groups(); ++g)
      erased += static_cast<std::uint64_t>(std::popcount(of<std::uint64_t>(number::gone)[g]));
    if (erased != info_.erased || has_more(number::gone))
      return fail(errc::malformed, erased, " slots are marked as erased, expected ", info_.erased);
    std::vector<std::uint64_t> seen(groups());
    for (std::size_t i = 0; i < info_.free; ++i) {
      auto const slot = of<std::uint32_t>(number::free_slots)[i];
      if (slot >= info_.slots || !bit(number::gone, slot) || (seen[slot / 64] >> slot % 64 & 1) != 0)
        return fail(errc::malformed, "free slot ", slot, " is not erased, or named twice");
      seen[slot / 64] |= std::uint64_t{1} << slot % 64;
    }
    return {};
  }

  result<void> check_levels() const {
    auto const* const up = of<std::uint64_t>(number::reaches_up);
    auto const* const first = of<std::uint32_t>(number::first_list);
    std::uint64_t uppers = 0;
    for (std::size_t g = 0; g < groups(); ++g) {
      if (of<std::uint32_t>(number::up_before)[g] != uppers)
        return fail(errc::malformed, "level count ", g, " is not the number of upper slots before it, ", uppers);
      uppers += static_cast<std::uint64_t>(std::popcount(up[g]));
    }
    if (uppers != info_.uppers || has_more(number::reaches_up))
      return fail(errc::malformed, uppers, " slots are above level 0, expected ", info_.uppers);
    for (std::size_t i = 0; i < uppers; ++i)
      if (first[i + 1] <= first[i] || first[i + 1] - first[i] > most_levels)
        return fail(errc::malformed, "the lists of upper slot ", i, " begin at ", first[i], ", the next at ",
                    first[i + 1]);
    if (uppers != 0 && (first[0] != 0 || first[uppers] != info_.lists))
      return fail(errc::malformed, "upper lists begin at ", first[0], " and end at ", first[uppers],
                  ", expected 0 and ", info_.lists);
    if (info_.slots != 0 && level(info_.entry & 0xffffffff) < info_.entry >> 32)
      return fail(errc::malformed, "the entry is not on the level that the header says, ", info_.entry >> 32);
    return {};
  }

  result<void> check_links() const {
    for (std::size_t slot = 0; slot < info_.slots; ++slot) {
      if (auto good = check_list(of<std::uint64_t>(number::links_0) + slot * list_words(info_, false), slot, 0); !good)
        return good;
      std::uint64_t const levels = level(slot);
      if (levels == 0) continue;
      std::size_t const begin = of<std::uint32_t>(number::first_list)[upper(slot)];
      for (unsigned l = 1; l <= levels; ++l) {
        auto const* const list = of<std::uint64_t>(number::upper_links) + (begin + l - 1) * list_words(info_, true);
        if (auto good = check_list(list, slot, l); !good) return good;
      }
    }
    return {};
  }
  result<void> check_list(std::uint64_t const* words, std::size_t slot, unsigned on) const {
    std::uint64_t const none = (std::uint64_t{1} << info_.link_bits) - 1;
    std::size_t const most = static_cast<std::size_t>(on == 0 ? 2 * info_.m : info_.m);
    for (std::size_t i = 0, b = 0; i < most; ++i, b += info_.link_bits) {
      std::uint64_t to = words[b / 64] >> b % 64;
      if (b % 64 + info_.link_bits > 64) to |= words[b / 64 + 1] << (64 - b % 64);
      to &= none;
      if (to == none) return {};
      if (to >= info_.slots || (on != 0 && level(static_cast<std::size_t>(to)) < on))
        return fail(errc::malformed, "slot ", slot, " has neighbour ", to, " on level ", on,
                    ", where there is no such slot");
    }
    return {};
  }

  // A hole follows every run of places, each key is in the run that its search looks at, and each slot is there once.
  result<void> check_keys() const {
    if (info_.slots == 0) return {};
    auto const* const table = of<std::uint32_t>(number::key_places);
    auto const* const keys = of<std::uint64_t>(number::keys);
    std::size_t const places = static_cast<std::size_t>(info_.places);
    std::size_t hole = places;
    for (std::size_t i = places; i-- > 0 && hole == places;)
      if (table[i] == 0) hole = i;
    if (hole == places) return fail(errc::malformed, "the table of keys has no empty place");
    std::vector<std::uint64_t> seen(groups());
    std::uint64_t found = 0;
    std::size_t run = 0; // places before this one that are taken
    for (std::size_t k = 1; k <= places; ++k) {
      std::size_t const i = (hole + k) % places;
      if (table[i] == 0) {
        run = 0;
        continue;
      }
      std::size_t const slot = table[i] - 1;
      if (slot >= info_.slots || (seen[slot / 64] >> slot % 64 & 1) != 0 || is_gone(slot))
        return fail(errc::malformed, "place ", i, " of the table of keys names slot ", slot,
                    ", which is not there or twice");
      seen[slot / 64] |= std::uint64_t{1} << slot % 64;
      ++found;
      std::size_t const home = key_table<std::allocator<std::byte>>::home(keys[slot], places);
      if ((i + places - home) % places > run)
        return fail(errc::malformed, "key ", keys[slot], " is in place ", i, ", where a search from ", home,
                    " does not come");
      ++run;
    }
    if (found != info_.size()) return fail(errc::malformed, "the table has ", found, " keys, expected ", info_.size());
    return {};
  }

  template <class T> T const* of(std::uint32_t id) const noexcept { return reinterpret_cast<T const*>(at_[id]); }
  std::size_t groups() const noexcept { return static_cast<std::size_t>((info_.slots + 63) / 64); }
  bool bit(std::uint32_t id, std::size_t slot) const noexcept {
    return (of<std::uint64_t>(id)[slot / 64] >> slot % 64 & 1) != 0;
  }
  bool is_gone(std::size_t slot) const noexcept { return info_.kind == index_kind::hnsw && bit(number::gone, slot); }
  // whether bits are set of slots that are not there
  bool has_more(std::uint32_t id) const noexcept {
    return info_.slots % 64 != 0 && of<std::uint64_t>(id)[groups() - 1] >> info_.slots % 64 != 0;
  }
  // the number of a slot among those above level 0
  std::size_t upper(std::size_t slot) const noexcept {
    std::uint64_t const group = of<std::uint64_t>(number::reaches_up)[slot / 64];
    return of<std::uint32_t>(number::up_before)[slot / 64] +
           static_cast<std::size_t>(std::popcount(group & ((std::uint64_t{1} << slot % 64) - 1)));
  }
  std::uint64_t level(std::size_t slot) const noexcept {
    if (!bit(number::reaches_up, slot)) return 0;
    auto const* const first = of<std::uint32_t>(number::first_list);
    return first[upper(slot) + 1] - first[upper(slot)];
  }

  index_info const& info_;
  std::byte const* at_[most_sections + 1]{};
};

} // namespace loquat::detail
