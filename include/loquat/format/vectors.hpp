#pragma once
/// \file
/// Files of vectors: fvecs, bvecs and ivecs (as of the TEXMEX data), npy, csv. The file is mapped, and rows become
/// floats when they are asked for, a few at a time: it may be larger than memory.
///
///     auto file = vector_file::open("base.bvecs").value();
///     for (std::span<float const> row : file.rows()) …

#include <loquat/core/result.hpp>
#include <loquat/format/csv.hpp>
#include <loquat/format/npy.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// How a file keeps vectors.
enum class vector_format : unsigned char {
  fvecs, ///< each row: its length in 4 bytes, then floats
  bvecs, ///< the same with unsigned bytes
  ivecs, ///< the same with signed integers of 4 bytes
  npy,   ///< an array of NumPy with two axes (or one: a single row), in C's order
  csv,   ///< see `csv_rows`
};

class vector_rows;

/// A file of vectors, all of the same length. Immutable: threads may read it together.
class vector_file {
  template <class T> constexpr result<void> read_as(std::size_t first, std::span<T> out) const {
    constexpr bool whole_numbers = std::is_integral_v<T>;
    if (whole_numbers && (format_ == vector_format::csv || !is_whole(type_)))
      return fail(errc::mismatch, name(), ": its numbers are not stored as whole ones");
    if (out.empty()) return {};
    if (dimensions_ == 0 || out.size() % dimensions_ != 0)
      return fail(errc::argument, name(), ": ", out.size(), " numbers are no rows of ", dimensions_);
    std::size_t const n = out.size() / dimensions_;
    if (first > size_ || n > size_ - first)
      return fail(errc::argument, name(), ": rows ", first, " to ", first + n - 1, " are wanted, of ", size_);
    if (!std::is_constant_evaluated())
      if (auto whole = file_.intact(); !whole) return whole;
    if constexpr (!whole_numbers)
      if (format_ == vector_format::csv) {
        auto const good = lines_.read(first, out);
        if (!good) return good.error().within(name());
        return {};
      }
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t const at = first_ + (first + i) * stride_;
      if (row_head_ != 0)
        if (auto const length = load_little<std::int32_t>(bytes_.data() + at); std::cmp_not_equal(length, dimensions_))
          return fail(errc::malformed, name(), ": byte ", at, ": row ", first + i, " has ", length,
                      " elements, where row 0 has ", dimensions_);
      auto const row = out.subspan(i * dimensions_, dimensions_);
      if constexpr (whole_numbers) {
        if (!convert_numbers(type_, bytes_.data() + at + row_head_, row))
          return fail(errc::malformed, name(), ": byte ", at, ": row ", first + i, " has numbers of more than 32 bits");
      } else {
        convert_numbers(type_, bytes_.data() + at + row_head_, row);
      }
    }
    return {};
  }

 public:
  /// Opens a file; its name's end says the format: `.fvecs`, `.bvecs`, `.ivecs`, `.npy`, `.csv`, `.tsv`. Reads no more
  /// than its head, but of csv the lines, to count them. Errors: `errc::io`, `missing`, `malformed`, `unsupported`.
  static result<vector_file> open(std::string const& path) {
    auto const format = format_of(path);
    if (!format) return format.error();
    auto file = mapped_file::open(path);
    if (!file) return std::move(file).error();
    auto made = parse(file->bytes(), *format, path);
    if (made) made->file_ = std::move(*file);
    return made;
  }
  /// The same of bytes, which must outlive it; `name` is for messages.
  static constexpr result<vector_file> parse(std::span<std::byte const> bytes, vector_format format,
                                             std::string_view name) {
    vector_file f;
    f.bytes_ = bytes, f.format_ = format;
    for (char const c : name) f.name_.push_back(c);
    auto const good = f.read_head();
    if (!good) return good.error().within(name);
    return f;
  }
  /// The format that the end of a name says.
  static constexpr result<vector_format> format_of(std::string_view name) {
    constexpr std::pair<std::string_view, vector_format> ends[]{
        {".fvecs", vector_format::fvecs}, {".bvecs", vector_format::bvecs}, {".ivecs", vector_format::ivecs},
        {".npy", vector_format::npy},     {".csv", vector_format::csv},     {".tsv", vector_format::csv}};
    for (auto const& [end, format] : ends)
      if (name.ends_with(end)) return format;
    return fail(errc::unsupported, name, ": files of vectors end in .fvecs, .bvecs, .ivecs, .npy, .csv or .tsv");
  }

  constexpr std::size_t size() const noexcept { return size_; }                             ///< rows
  constexpr std::size_t dimensions() const noexcept { return dimensions_; }                 ///< numbers of a row; 0 if there is none
  constexpr vector_format format() const noexcept { return format_; }                       ///< how they are stored
  constexpr std::string_view name() const noexcept { return {name_.data(), name_.size()}; } ///< for messages

  /// Rows from `first` on, as many as `out` [n × dimensions] has room for. Errors name row and byte: `errc::malformed`
  /// for a row of another length or what is no number; `argument` beyond the end; `io` if the file has shrunk.
  constexpr result<void> read(std::size_t first, std::span<float> out) const { return read_as(first, out); }
  /// The same of whole numbers, such as the truth of a search; `errc::mismatch` where the file has others.
  constexpr result<void> read(std::size_t first, std::span<std::int32_t> out) const { return read_as(first, out); }

  /// All rows, one after another: a single-pass range of `std::span<float const>`, each valid until the next. The file
  /// must stay where it is. An error ends the range and is thrown as `bad_result` (where exceptions are off, the range
  /// just ends).
  constexpr vector_rows rows() const;
  /// \overload
  /// An error ends the range and is stored in `failure`.
  constexpr vector_rows rows(std::optional<error>& failure) const;

 private:
  constexpr vector_file() = default;

  constexpr result<void> read_head() {
    if (format_ == vector_format::csv) {
      auto lines = csv_rows::parse(as_text(bytes_, copy_));
      if (!lines) return std::move(lines).error();
      lines_ = *std::move(lines);
      size_ = lines_.size(), dimensions_ = lines_.columns();
      return {};
    }
    if (format_ == vector_format::npy) {
      auto const head = npy_head::parse(bytes_);
      if (!head) return head.error();
      type_ = head->type, size_ = head->rows, first_ = head->data;
      dimensions_ = size_ == 0 ? 0 : head->columns;
      stride_ = dimensions_ * byte_size(type_);
      return {};
    }
    type_ = format_ == vector_format::fvecs   ? number_type::f32
            : format_ == vector_format::bvecs ? number_type::u8
                                              : number_type::i32;
    if (bytes_.empty()) return {};
    if (bytes_.size() < 4) return fail(errc::malformed, "byte 0: a row begins with its length in 4 bytes");
    auto const length = load_little<std::int32_t>(bytes_.data());
    if (length <= 0) return fail(errc::malformed, "byte 0: row 0 has ", length, " elements");
    dimensions_ = static_cast<std::size_t>(length);
    std::uint64_t const stride = 4 + std::uint64_t{dimensions_} * byte_size(type_);
    if (bytes_.size() % stride != 0)
      return fail(errc::malformed, bytes_.size(), " bytes are no rows of ", dimensions_, " elements in ", stride,
                  " bytes: the file is cut off, or a row has another length than row 0");
    stride_ = static_cast<std::size_t>(stride), row_head_ = 4;
    size_ = bytes_.size() / stride_;
    return {};
  }

  mapped_file file_;
  std::vector<char> name_, copy_; // `copy_`: of a text, in constant evaluation
  std::span<std::byte const> bytes_;
  csv_rows lines_;
  std::size_t size_ = 0, dimensions_ = 0;
  std::size_t first_ = 0, stride_ = 0,
              row_head_ = 0; // where rows begin, bytes of a row, and what is before its numbers
  number_type type_ = number_type::f32;
  vector_format format_{};
};

/// The rows of a `vector_file`, converted 64 at a time.
class vector_rows : public std::ranges::view_interface<vector_rows> {
 public:
  /// Goes through the rows once.
  class iterator {
   public:
    using value_type = std::span<float const>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    constexpr iterator() = default;
    constexpr explicit iterator(vector_rows& rows) noexcept : rows_(&rows) {}
    constexpr value_type operator*() const noexcept {
      std::size_t const d = rows_->file_->dimensions();
      return std::span<float const>(rows_->block_).subspan(rows_->at_ % step * d, d);
    }
    constexpr iterator& operator++() { return ++rows_->at_, rows_->fill(), *this; }
    constexpr void operator++(int) { ++*this; }
    constexpr bool operator==(std::default_sentinel_t) const noexcept { return rows_->at_ >= rows_->size_; }

   private:
    vector_rows* rows_ = nullptr;
  };

  /// `failure`: where an error goes; null: it is thrown.
  constexpr vector_rows(vector_file const& file, std::optional<error>* failure)
      : file_(&file), failure_(failure), size_(file.size()) {}
  constexpr iterator begin() { return at_ = 0, fill(), iterator(*this); } ///< at the first row
  constexpr std::default_sentinel_t end() const noexcept { return {}; }   ///< behind the last

 private:
  static constexpr std::size_t step = csv_rows::step;

  constexpr void fill() {
    if (at_ % step != 0 || at_ >= size_) return;
    block_.resize(std::min(step, size_ - at_) * file_->dimensions(), {});
    auto const read = file_->read(at_, std::span<float>(block_));
    if (read) return;
    size_ = 0;
    if (failure_) *failure_ = read.error();
#if defined(__cpp_exceptions)
    else
      throw bad_result(read.error());
#endif
  }

  vector_file const* file_;
  std::optional<error>* failure_;
  std::size_t size_, at_ = 0;
  std::vector<float> block_;
};

constexpr vector_rows vector_file::rows() const { return {*this, nullptr}; }
constexpr vector_rows vector_file::rows(std::optional<error>& failure) const { return {*this, &failure}; }

} // namespace loquat
