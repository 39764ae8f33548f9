#pragma once
/// \file
/// Importance matrices: how much the columns of a model's matrices matter, as the mean squares of the activations that
/// a calibration saw there. Reads both forms that llama.cpp writes: the old binary one (`imatrix.dat`), and GGUF with a
/// tensor `NAME.in_sum2` (sums of squares: columns × matrices) and `NAME.counts` (1 × matrices) for each matrix NAME.

#include <loquat/format/gguf.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/quant/block.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// An importance matrix, open. Move-only.
class importance_matrix {
 public:
  /// The importance of one tensor: a non-negative number for each column, and for 3-D tensors of each matrix.
  struct entry {
    std::string_view tensor;
    std::vector<float> columns;
  };

  constexpr importance_matrix() = default;                                        ///< knows nothing
  constexpr importance_matrix(importance_matrix&&) noexcept = default;            ///< takes everything over
  constexpr importance_matrix& operator=(importance_matrix&&) noexcept = default; ///< \overload

  /// Reads a file that is in memory; `bytes` must outlive the result. `name` is what messages call it. Errors, which
  /// name the byte or the tensor: those of `gguf::file::parse`, `errc::malformed`, `errc::mismatch`, `errc::missing`.
  static constexpr result<importance_matrix> parse(std::span<std::byte const> bytes,
                                                   std::string_view name = "importance matrix") {
    importance_matrix out;
    auto const text = as_text(bytes, out.text_);
    auto read = text.starts_with("GGUF") ? out.read_gguf(bytes, name) : out.read_binary(text, name);
    if (!read) return read.error();
    if (auto const* twice = out.names_.build(out.entries_))
      return fail(errc::malformed, name, ": tensor ", twice->tensor, " is there twice");
    return out;
  }

  /// Maps and reads the file at `path` (UTF-8). Errors: those of `parse` and `mapped_file::open`.
  static result<importance_matrix> open(std::string const& path) {
    auto mapped = mapped_file::open(path);
    if (!mapped) return mapped.error();
    auto out = parse(mapped->bytes(), path);
    if (out) out->mapped_ = std::move(*mapped);
    return out;
  }

  constexpr std::span<entry const> entries() const noexcept { return entries_; } ///< in the order of the file

  /// The importance of the columns of a tensor; empty if nothing is known.
  constexpr std::span<float const> find(std::string_view tensor) const noexcept {
    auto const* const found = names_.find(entries_, tensor);
    return found ? std::span<float const>(found->columns) : std::span<float const>();
  }

 private:
  static constexpr bool usable(float x) noexcept { return x >= 0 && x - x == 0; }

  // i32 entries; for each: i32 length, name, i32 calls, i32 values, f32 sums over the calls; then perhaps i32 calls in
  // all, and i32 length, name of the text
  constexpr result<void> read_binary(std::string_view text, std::string_view file) {
    byte_reader reader(text);
    auto const wrong = [&](std::size_t at, auto const&... what) {
      return fail(errc::malformed, file, ": at byte ", at, ": ", what...);
    };
    auto const count = reader.read<std::int32_t>();
    if (!reader) return reader.failure().within(file);
    if (count < 1) return wrong(0, count, " tensors; is this an importance matrix?");
    for (std::int32_t i = 0; i < count; ++i) {
      auto const start = reader.offset();
      auto const length = reader.read<std::int32_t>();
      if (length < 0) return wrong(start, "a name of ", length, " bytes");
      entry e{reader.text(static_cast<std::uint64_t>(length)), {}};
      auto const calls = reader.read<std::int32_t>(), values = reader.read<std::int32_t>();
      if (!reader) return reader.failure().within(file);
      if (values < 1) return wrong(reader.offset() - 4, "tensor ", e.tensor, " has ", values, " columns");
      auto const sums = reader.text(4 * static_cast<std::uint64_t>(values));
      if (!reader) return reader.failure().within(e.tensor).within(file);
      e.columns.assign(static_cast<std::size_t>(values), 0.0f);
      for (std::size_t k = 0; k < e.columns.size(); ++k) {
        float const sum = load_little<float>(sums.data() + 4 * k);
        if (!usable(sum))
          return wrong(reader.offset() - sums.size() + 4 * k, "tensor ", e.tensor, ", column ", k,
                       ": expected a number of at least 0");
        e.columns[k] = calls > 0 ? sum / static_cast<float>(calls) : sum;
      }
      entries_.push_back(std::move(e));
    }
    if (reader.remaining() == 0) return {};
    reader.skip(4);
    auto const start = reader.offset();
    auto const length = reader.read<std::int32_t>();
    if (reader && length < 0) return wrong(start, "a name of ", length, " bytes");
    reader.skip(static_cast<std::uint64_t>(length));
    if (!reader) return reader.failure().within(file);
    if (reader.remaining() != 0) return wrong(reader.offset(), reader.remaining(), " bytes too many");
    return {};
  }

  constexpr result<void> read_gguf(std::span<std::byte const> bytes, std::string_view file) {
    auto parsed = gguf::file::parse(bytes, file);
    if (!parsed) return parsed.error();
    gguf_ = std::move(*parsed);
    constexpr std::string_view sums_ending = ".in_sum2", counts_ending = ".counts";
    for (auto const& sums : gguf_.tensors()) {
      if (!sums.name.ends_with(sums_ending)) continue;
      entry e{sums.name.substr(0, sums.name.size() - sums_ending.size()), {}};
      std::vector<char> counts_name(e.tensor.begin(), e.tensor.end());
      counts_name.insert(counts_name.end(), counts_ending.begin(), counts_ending.end());
      auto const* const counts = gguf_.find_tensor({counts_name.data(), counts_name.size()});
      if (!counts) return fail(errc::missing, file, ": no tensor ", e.tensor, counts_ending);
      for (auto const* part : {&sums, counts})
        if (part->type != tensor_type::f32)
          return fail(errc::mismatch, file, ": tensor ", part->name, ": expected F32, found ", name(part->type));
      if (counts->elements() != sums.rows())
        return fail(errc::mismatch, file, ": tensor ", counts->name, ": expected ", sums.rows(), " elements, found ",
                    counts->elements());
      auto const columns = static_cast<std::size_t>(sums.columns());
      e.columns.assign(static_cast<std::size_t>(sums.elements()), 0.0f);
      for (std::size_t k = 0; k < e.columns.size(); ++k) {
        float const sum = load_little<float>(sums.data.data() + 4 * k);
        float const n = load_little<float>(counts->data.data() + k / columns * 4);
        if (!usable(sum) || !usable(n))
          return fail(errc::malformed, file, ": tensor ", usable(sum) ? counts->name : sums.name, ": element ",
                      usable(sum) ? k / columns : k, ": expected a number of at least 0");
        e.columns[k] = n > 0 ? sum / n : 1; // an expert that the calibration never chose
      }
      entries_.push_back(std::move(e));
    }
    if (entries_.empty())
      return fail(errc::missing, file, ": no tensor whose name ends in ", sums_ending,
                  "; is this an importance matrix?");
    return {};
  }

  std::vector<char> text_; // what `as_text` keeps in constant evaluation
  mapped_file mapped_;
  gguf::file gguf_;
  std::vector<entry> entries_;
  gguf::detail::name_index<entry, &entry::tensor> names_;
};

} // namespace loquat
