#pragma once
/// \file
/// The bytes of a log of changes to an index: frames of one or more changes, each with its place in the order and
/// checksums. Reading one tells a frame that was cut off by a crash from one that was damaged after it had been safe.
/// `docs/index_file.md` has the tables.

#include <loquat/core/result.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/checksum.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// What is done to an index.
enum class change_kind : std::uint32_t { insert = 1, update = 2, erase = 3 };

/// A change in a log.
struct index_change {
  change_kind kind;
  std::uint64_t key;
  std::span<float const> vector; ///< [dimensions], or empty for `erase`
};

/// What opening found in a log.
struct log_report {
  std::uint64_t replayed = 0; ///< changes that were not in the index's file yet
  std::uint64_t cut = 0;      ///< bytes at the end that were no whole frame; they are gone
};

namespace detail {

inline constexpr std::string_view log_magic = "LQINLOG\n";
inline constexpr std::uint32_t log_version = 1, frame_magic = 0x4d52464c; // "LFRM"
inline constexpr std::size_t log_header_bytes = 64, frame_header_bytes = 48, record_bytes = 16;

/// The header of a log whose first change is the one behind `sequence`.
constexpr std::vector<std::byte> log_header(std::uint64_t dimensions, std::uint64_t sequence) {
  std::vector<std::byte> rest;
  append_little(rest, log_version), append_little(rest, std::uint32_t{0});
  append_little(rest, dimensions), append_little(rest, sequence);
  rest.resize(log_header_bytes - 16);
  std::vector<std::byte> out;
  append_text(out, log_magic);
  append_little(out, checksum(rest));
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

/// Collects changes of one frame.
class frame_writer {
 public:
  constexpr void add(index_change const& c) {
    append_little(payload_, static_cast<std::uint32_t>(c.kind)), append_little(payload_, std::uint32_t{0});
    append_little(payload_, c.key);
    for (float v : c.vector) append_little(payload_, v);
    ++changes_;
  }
  constexpr std::uint32_t changes() const noexcept { return changes_; }
  /// The frame, whose first change is number `first`; all up to `durable` are on the disk when it is written.
  constexpr std::vector<std::byte> finish(std::uint64_t first, std::uint64_t durable) const {
    std::vector<std::byte> out;
    append_little(out, frame_magic), append_little(out, changes_);
    append_little(out, first), append_little(out, durable);
    append_little(out, std::uint64_t{payload_.size()}), append_little(out, checksum(payload_, first));
    append_little(out, checksum(out));
    out.insert(out.end(), payload_.begin(), payload_.end());
    return out;
  }

 private:
  std::vector<std::byte> payload_;
  std::uint32_t changes_ = 0;
};

/// The header of a frame.
struct frame_header {
  std::uint32_t changes;
  std::uint64_t first, durable, bytes, sum;
};
/// The header that begins at `at`, if there is one.
constexpr bool find_frame(std::span<std::byte const> log, std::size_t at, frame_header& out) noexcept {
  if (log.size() - at < frame_header_bytes || load_little<std::uint32_t>(log.data() + at) != frame_magic) return false;
  auto const head = log.subspan(at, frame_header_bytes);
  if (load_little<std::uint64_t>(head.data() + 40) != checksum(head.first(40))) return false;
  byte_reader in(head.subspan(4));
  out.changes = in.read<std::uint32_t>();
  out.first = in.read<std::uint64_t>(), out.durable = in.read<std::uint64_t>();
  out.bytes = in.read<std::uint64_t>(), out.sum = in.read<std::uint64_t>();
  return true;
}

/// The changes of a frame, whose vectors are in `values`.
constexpr result<void> read_changes(std::span<std::byte const> payload, std::uint32_t count, std::uint64_t dimensions,
                                    std::vector<float>& values, std::vector<index_change>& changes) {
  if (count > payload.size() / record_bytes)
    return fail(errc::malformed, count, " changes in ", payload.size(), " bytes");
  byte_reader in(payload);
  values.clear(), changes.clear();
  values.reserve(payload.size() / sizeof(float)); // so that spans of them stay
  for (std::uint32_t i = 0; i < count; ++i) {
    auto const kind = in.read<std::uint32_t>();
    in.skip(4);
    auto const key = in.read<std::uint64_t>();
    auto const n = kind == static_cast<std::uint32_t>(change_kind::erase) ? 0 : dimensions;
    if (!in || kind < 1 || kind > 3 || in.remaining() / sizeof(float) < n)
      return fail(errc::malformed, "change ", i, " of kind ", kind, " does not fit");
    std::size_t const begin = values.size();
    for (std::uint64_t e = 0; e < n; ++e) values.push_back(in.read<float>());
    changes.push_back({static_cast<change_kind>(kind), key, std::span<float const>(values).subspan(begin)});
  }
  if (in.remaining() != 0) return fail(errc::malformed, in.remaining(), " bytes too many");
  return {};
}

/// How far a log could be read.
struct replayed_log {
  std::uint64_t sequence; ///< the last change in it
  std::size_t good;       ///< bytes up to its end
  log_report report;
};

/// Reads a log of changes to vectors of so many elements, and calls `apply(changes)`, which returns a result, for every
/// frame behind change number `from`. The first frame that is not whole ends it: a crash cut it off, and nobody was
/// told that it was safe. But if a later frame says that it had been on the disk, it is damaged, which is an error
/// unless `accept_loss`.
template <class Apply>
constexpr result<replayed_log> replay_log(std::span<std::byte const> log, std::uint64_t dimensions, std::uint64_t from,
                                          bool accept_loss, Apply apply) {
  std::vector<char> copy;
  if (log.size() < log_header_bytes || as_text(log.first(log_magic.size()), copy) != log_magic)
    return fail(errc::malformed, "no log of an index: it does not begin with LQINLOG");
  if (auto const version = load_little<std::uint32_t>(log.data() + 16); version != log_version)
    return fail(errc::unsupported, "version ", version, " of the log; this program reads version ", log_version);
  if (checksum(log.first(log_header_bytes).subspan(16)) != load_little<std::uint64_t>(log.data() + 8))
    return fail(errc::malformed, "the header of the log is damaged: its checksum is another");
  if (auto const d = load_little<std::uint64_t>(log.data() + 24); d != dimensions)
    return fail(errc::mismatch, "vectors of the log have ", d, " elements, those of the index ", dimensions);
  replayed_log out{load_little<std::uint64_t>(log.data() + 32), log_header_bytes, {}};
  if (out.sequence > from)
    return fail(errc::mismatch, "the log begins behind change ", out.sequence, ", the file of the index ends at ",
                from);

  std::vector<float> values;
  std::vector<index_change> changes;
  while (out.good != log.size()) {
    frame_header frame{};
    std::size_t const at = out.good;
    bool const whole = find_frame(log, at, frame) && frame.first == out.sequence + 1 && frame.changes != 0 &&
                       frame.bytes <= log.size() - at - frame_header_bytes;
    auto const payload =
        whole ? log.subspan(at + frame_header_bytes, static_cast<std::size_t>(frame.bytes)) : log.first(0);
    if (!whole || checksum(payload, frame.first) != frame.sum) {
      out.report.cut = log.size() - at;
      for (std::size_t later = at; later < log.size() && !accept_loss; later += 4)
        if (find_frame(log, later, frame) && frame.durable > out.sequence)
          return fail(errc::malformed, "the frame at byte ", at, " (change ", out.sequence + 1,
                      ") is damaged, and the one at ", later, " says that it had been on the disk");
      return out;
    }
    std::uint64_t const last = out.sequence + frame.changes;
    if (out.sequence < from && last > from)
      return fail(errc::malformed, "the frame at byte ", at, " has changes ", out.sequence + 1, " to ", last,
                  ", the file of the index ends at ", from);
    if (last > from) {
      if (auto good = read_changes(payload, frame.changes, dimensions, values, changes); !good)
        return error(good.error().code(), "the frame at byte ", at, ": ", good.error().message());
      if (auto done = apply(std::span<index_change const>(changes)); !done)
        return error(done.error().code(), "the frame at byte ", at, ": ", done.error().message());
      out.report.replayed += frame.changes;
    }
    out.sequence = last, out.good = at + frame_header_bytes + payload.size();
  }
  return out;
}

} // namespace detail
} // namespace loquat
