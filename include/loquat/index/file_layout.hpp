#pragma once
/// \file
/// The header of an index's file: what the index is, and where each of its arrays lies. `docs/index_file.md` has the
/// tables. Everything about it is checked before anything is believed.

#include <loquat/core/result.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/checksum.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// What kind of index a file holds.
enum class index_kind : std::uint32_t { flat = 1, hnsw = 2 };
constexpr std::string_view name(index_kind kind) noexcept { ///< for messages
  return kind == index_kind::flat ? "flat" : kind == index_kind::hnsw ? "hnsw" : "?";
}

/// A name in a file of an index, of up to 31 bytes.
class index_name {
 public:
  constexpr index_name() noexcept = default;                      ///< none
  constexpr explicit index_name(std::string_view text) noexcept { ///< cut where it is too long
    std::copy_n(text.begin(), std::min(text.size(), most), text_.begin());
  }
  constexpr std::string_view view() const noexcept { ///< without zeros
    return {text_.data(), static_cast<std::size_t>(std::find(text_.begin(), text_.end(), '\0') - text_.begin())};
  }
  static constexpr std::size_t most = 31; ///< bytes

 private:
  std::array<char, most + 1> text_{};
};

/// What a file says about its index.
struct index_info {
  index_kind kind = index_kind::hnsw;
  index_name metric, codec, rerank; ///< as in the index's type; `rerank` is empty without one
  std::uint64_t dimensions = 0;     ///< elements of a vector
  std::uint64_t slots = 0;          ///< vectors, with those erased
  std::uint64_t erased = 0;         ///< slots of erased vectors
  std::uint64_t free = 0;           ///< of them, those that can be used again
  std::uint64_t places = 0;         ///< of the table of keys
  std::uint64_t entry = 0;          ///< where searches begin: a slot, and its level in the upper half
  std::uint64_t link_bits = 1;      ///< of a neighbour's number
  std::uint64_t uppers = 0;         ///< slots above level 0
  std::uint64_t lists = 0;          ///< their lists of neighbours
  std::uint64_t m = 2;              ///< `hnsw_options`, and so on
  std::uint64_t ef_construction = 0, seed = 0, most = 0, several = 0, compact_at = 0;
  std::uint64_t sequence = 0; ///< the last change in it, as an `index_log` counts them

  constexpr std::uint64_t size() const noexcept { return slots - erased; } ///< vectors that can be found
};

namespace detail {

inline constexpr std::size_t index_alignment = 64;         // of every section
inline constexpr std::uint64_t most_dimensions = 1u << 20; // a limit of the format
inline constexpr std::uint64_t most_levels = 64;           // of a node
inline constexpr std::size_t fixed_header = 320, section_entry = 32, most_sections = 15;
inline constexpr std::uint32_t index_version = 1;
inline constexpr std::string_view index_magic = "LQINDEX\n";

/// The numbers of sections, in their order.
struct array_number {
  enum : std::uint32_t {
    codes = 1,
    factors,
    learned,
    exact_codes,
    exact_factors,
    exact_learned,
    keys,
    key_places,
    links_0,
    reaches_up,
    up_before,
    first_list,
    upper_links,
    gone,
    free_slots
  };
};
constexpr std::string_view name_of_section(std::uint32_t id) noexcept {
  constexpr std::string_view names[]{
      "?",      "codes",         "factors", "learned", "exact codes",  "exact factors",       "exact learned",
      "keys",   "table of keys", "links",   "levels",  "level counts", "beginnings of lists", "upper links",
      "erased", "free slots"};
  return names[id < std::size(names) ? id : 0];
}

/// An array in a file.
struct section {
  std::uint32_t id, element; // bytes of an element
  std::uint64_t offset, bytes, sum;
};

/// A header, understood.
struct index_layout {
  index_info info;
  std::vector<section> sections; // in ascending order of numbers and offsets
  std::uint64_t file_bytes = 0;

  constexpr section const* find(std::uint32_t id) const noexcept {
    for (auto const& s : sections)
      if (s.id == id) return &s;
    return nullptr;
  }
};

constexpr std::uint64_t aligned(std::uint64_t offset) noexcept {
  return (offset + index_alignment - 1) / index_alignment * index_alignment;
}

/// Words of a list of neighbours on level 0 or above it.
constexpr std::uint64_t list_words(index_info const& i, bool upper) noexcept {
  return ((upper ? i.m : 2 * i.m) * i.link_bits + 63) / 64;
}

/// The elements of a section, where the header says how many there are: of all but codes and what was learned.
constexpr std::uint64_t elements_of(std::uint32_t id, index_info const& i) noexcept {
  std::uint64_t const groups = (i.slots + 63) / 64;
  switch (id) {
  case array_number::factors:
  case array_number::exact_factors:
  case array_number::keys:
    return i.slots;
  case array_number::key_places:
    return i.places;
  case array_number::links_0:
    return i.slots * list_words(i, false);
  case array_number::reaches_up:
  case array_number::up_before:
  case array_number::gone:
    return groups;
  case array_number::first_list:
    return i.uppers == 0 ? 0 : i.uppers + 1;
  case array_number::upper_links:
    return i.lists * list_words(i, true);
  case array_number::free_slots:
    return i.free;
  default:
    return 0;
  }
}
constexpr bool is_counted(std::uint32_t id) noexcept {
  return id > array_number::exact_learned || id == array_number::factors || id == array_number::exact_factors;
}
/// The bytes of an element, where every index has the same.
constexpr std::uint32_t element_bytes(std::uint32_t id) noexcept {
  switch (id) {
  case array_number::keys:
  case array_number::links_0:
  case array_number::reaches_up:
  case array_number::upper_links:
  case array_number::gone:
    return 8;
  case array_number::learned:
  case array_number::exact_learned:
  case array_number::key_places:
  case array_number::up_before:
  case array_number::first_list:
  case array_number::free_slots:
    return 4;
  default:
    return 0;
  }
}

// In the order of the header.
template <class Info, class F> constexpr void for_each_number(Info& i, F f) {
  f(i.dimensions), f(i.slots), f(i.erased), f(i.free), f(i.places), f(i.entry), f(i.link_bits), f(i.uppers), f(i.lists);
  f(i.m), f(i.ef_construction), f(i.seed), f(i.most), f(i.several), f(i.compact_at), f(i.sequence);
}

/// The bytes of a header; they fill up to where the first section begins.
constexpr std::vector<std::byte> header_bytes(index_layout const& layout) {
  std::vector<std::byte> rest; // behind the checksum
  auto const size = fixed_header + layout.sections.size() * section_entry;
  append_little(rest, index_version);
  append_little(rest, static_cast<std::uint32_t>(layout.info.kind));
  append_little(rest, std::uint64_t{size});
  append_little(rest, layout.file_bytes);
  for (auto const& n : {layout.info.metric, layout.info.codec, layout.info.rerank}) {
    append_text(rest, n.view());
    rest.resize(rest.size() + index_name::most + 1 - n.view().size());
  }
  for_each_number(layout.info, [&](std::uint64_t value) { append_little(rest, value); });
  rest.resize(fixed_header - 16);
  for (auto const& s : layout.sections) {
    append_little(rest, s.id), append_little(rest, s.element);
    append_little(rest, s.offset), append_little(rest, s.bytes), append_little(rest, s.sum);
  }
  std::vector<std::byte> out;
  append_text(out, index_magic);
  append_little(out, checksum(rest));
  out.insert(out.end(), rest.begin(), rest.end());
  out.resize(static_cast<std::size_t>(aligned(size)));
  return out;
}

/// What the numbers of a header must fulfil.
constexpr result<void> check_numbers(index_info const& i) {
  auto const wrong = [](std::string_view what, std::uint64_t is, std::string_view expected) {
    return fail(errc::malformed, "the header says ", what, " ", is, ", expected ", expected);
  };
  if (i.kind != index_kind::flat && i.kind != index_kind::hnsw)
    return wrong("kind", static_cast<std::uint32_t>(i.kind), "1 (flat) or 2 (hnsw)");
  bool const graph = i.kind == index_kind::hnsw;
  if (i.dimensions == 0 || i.dimensions > most_dimensions) return wrong("dimensions", i.dimensions, "1 to 1048576");
  if (i.slots > 0x7ffffffe) return wrong("slots", i.slots, "at most 2147483646");
  if (i.erased > i.slots || (!graph && i.erased != 0)) return wrong("erased", i.erased, "at most the slots of a graph");
  if (i.free > i.erased) return wrong("free", i.free, "at most those erased");
  if (i.places > 0xffffffff || (i.slots != 0 && i.places <= i.slots))
    return wrong("places of keys", i.places, "more than slots");
  if (i.several > 1) return wrong("several", i.several, "0 or 1");
  if (!graph) return {};
  if (i.m < 2 || i.m > 256) return wrong("m", i.m, "2 to 256");
  if (i.ef_construction == 0 || i.ef_construction > 1u << 20)
    return wrong("ef_construction", i.ef_construction, "1 to 1048576");
  if (i.most > 0x7ffffffe || i.most < i.slots) return wrong("most", i.most, "slots to 2147483646");
  if (i.link_bits > 32 || i.link_bits < static_cast<std::uint64_t>(std::bit_width(i.slots)) || i.link_bits == 0)
    return wrong("bits of links", i.link_bits, "what slots need, at most 32");
  if (i.uppers > i.slots || i.lists < i.uppers || i.lists > i.uppers * most_levels)
    return wrong("upper lists", i.lists, "1 to 64 for each upper slot");
  std::uint64_t const slot = i.entry & 0xffffffff, level = i.entry >> 32;
  if (slot >= i.slots && i.entry != 0) return wrong("entry", slot, "below slots");
  if (level > most_levels || (level != 0 && i.uppers == 0))
    return wrong("level of the entry", level, "one that there is");
  if (i.compact_at > 0xffffffff) return wrong("compact_at", i.compact_at, "a float of 32 bits");
  return {};
}

/// How long a header is, from its first `fixed_header` bytes.
constexpr result<std::size_t> header_length(std::span<std::byte const> head) {
  std::vector<char> copy;
  if (head.size() < fixed_header)
    return fail(errc::malformed, head.size(), " bytes are no file of an index: its header has at least ", fixed_header);
  if (as_text(head.first(index_magic.size()), copy) != index_magic)
    return fail(errc::malformed, "no file of an index: it does not begin with LQINDEX");
  auto const version = load_little<std::uint32_t>(head.data() + 16);
  if (version != index_version)
    return fail(errc::unsupported, "version ", version, " of the format; this program reads version ", index_version);
  auto const length = load_little<std::uint64_t>(head.data() + 24);
  if (length < fixed_header || (length - fixed_header) % section_entry != 0 ||
      length > fixed_header + most_sections * section_entry)
    return fail(errc::malformed, "a header of ", length, " bytes, expected 320 and 32 for each of up to 15 sections");
  return static_cast<std::size_t>(length);
}

/// Understands a header: `head` of the length that `header_length` says, of a file of so many bytes.
constexpr result<index_layout> parse_header(std::span<std::byte const> head, std::uint64_t file_bytes) {
  if (checksum(head.subspan(16)) != load_little<std::uint64_t>(head.data() + 8))
    return fail(errc::malformed, "the header is damaged: its checksum is another");
  byte_reader in(head.subspan(20));
  index_layout out;
  auto& i = out.info;
  i.kind = static_cast<index_kind>(in.read<std::uint32_t>());
  in.skip(8);
  out.file_bytes = in.read<std::uint64_t>();
  for (auto* n : {&i.metric, &i.codec, &i.rerank}) {
    std::vector<char> copy;
    *n = index_name(as_text(in.take(index_name::most + 1), copy));
  }
  for_each_number(i, [&](std::uint64_t& value) { value = in.read<std::uint64_t>(); });
  if (auto good = check_numbers(i); !good) return good.error();
  if (out.file_bytes != file_bytes)
    return fail(errc::malformed, "the file has ", file_bytes, " bytes, its header says ", out.file_bytes);
  in = byte_reader(head.subspan(fixed_header));
  std::uint64_t end = head.size();
  std::uint32_t last = 0;
  while (in.remaining() != 0) {
    section s{};
    s.id = in.read<std::uint32_t>(), s.element = in.read<std::uint32_t>();
    s.offset = in.read<std::uint64_t>(), s.bytes = in.read<std::uint64_t>(), s.sum = in.read<std::uint64_t>();
    auto const name = name_of_section(s.id);
    if (s.id <= last || s.id > most_sections)
      return fail(errc::malformed, "section ", s.id, " behind ", last, ", expected ascending numbers up to 15");
    if (s.offset != aligned(end) || s.offset > file_bytes || s.bytes > file_bytes - s.offset)
      return fail(errc::malformed, "section ", name, " of ", s.bytes, " bytes at ", s.offset, ", expected at ",
                  aligned(end), " and within ", file_bytes);
    if (auto const fixed = element_bytes(s.id);
        s.element == 0 || (fixed != 0 && s.element != fixed) || s.bytes % s.element != 0)
      return fail(errc::malformed, "section ", name, " has elements of ", s.element, " bytes");
    auto const elements = s.bytes / s.element;
    if (is_counted(s.id) && elements != elements_of(s.id, i))
      return fail(errc::malformed, "section ", name, " has ", elements, " elements, expected ", elements_of(s.id, i));
    out.sections.push_back(s);
    last = s.id, end = s.offset + s.bytes;
  }
  std::uint32_t const wanted[]{array_number::codes, array_number::keys, array_number::key_places};
  for (std::uint32_t id : wanted)
    if (out.find(id) == nullptr) return fail(errc::malformed, "there is no section ", name_of_section(id));
  for (std::uint32_t id = array_number::links_0; id <= most_sections && i.kind == index_kind::hnsw; ++id)
    if (out.find(id) == nullptr) return fail(errc::malformed, "there is no section ", name_of_section(id));
  if (end != file_bytes) return fail(errc::malformed, "sections end at ", end, ", the file at ", file_bytes);
  return out;
}

} // namespace detail
} // namespace loquat
