#pragma once
/// \file
/// `result<T>`: a value or an error, with the interface of `std::expected` (P0323), which C++20 does not have yet.
/// `value()` on an error throws `bad_result`, or terminates where exceptions are off; nothing else here can.

#include <loquat/core/error.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace loquat {

/// Thrown by `result::value()` when there is an error instead.
class bad_result : public std::exception {
 public:
  explicit bad_result(loquat::error e) : error_(std::move(e)) {}        ///< wraps `e`
  char const* what() const noexcept override { return error_.c_str(); } ///< the error's message
  error const& why() const noexcept { return error_; }                  ///< the error itself

 private:
  error error_;
};

namespace detail {

[[noreturn]] inline void throw_bad_result([[maybe_unused]] error const& e) {
#if defined(__cpp_exceptions)
  throw bad_result(e);
#else
  std::terminate();
#endif
}

} // namespace detail

/// A value of type `T`, or the error that took its place.
template <class T> class [[nodiscard]] result {
 public:
  using value_type = T;
  using error_type = loquat::error;

  /// Holds a value made from `v`.
  template <class U = T>
  requires(!std::same_as<std::remove_cvref_t<U>, result> && !std::same_as<std::remove_cvref_t<U>, loquat::error> &&
           std::constructible_from<T, U>) constexpr explicit(!std::convertible_to<U, T>)
      result(U&& v)
      : ok_(true) {
    std::construct_at(std::addressof(value_), std::forward<U>(v));
  }
  constexpr result(loquat::error e) : ok_(false) { std::construct_at(std::addressof(error_), std::move(e)); }

  constexpr result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(other.ok_) {
    if (ok_)
      std::construct_at(std::addressof(value_), std::move(other.value_));
    else
      std::construct_at(std::addressof(error_), std::move(other.error_));
  }
  constexpr result(result const& other) requires std::copy_constructible<T> : ok_(other.ok_) {
    if (ok_)
      std::construct_at(std::addressof(value_), other.value_);
    else
      std::construct_at(std::addressof(error_), other.error_);
  }
  constexpr result& operator=(result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    return *this;
  }
  constexpr ~result() {
    if (ok_)
      std::destroy_at(std::addressof(value_));
    else
      std::destroy_at(std::addressof(error_));
  }

  constexpr bool has_value() const noexcept { return ok_; }             ///< true if it holds a value
  constexpr explicit operator bool() const noexcept { return ok_; }     ///< the same
  constexpr T& operator*() & noexcept { return value_; }                ///< the value; undefined on an error
  constexpr T const& operator*() const& noexcept { return value_; }     ///< \overload
  constexpr T&& operator*() && noexcept { return std::move(value_); }   ///< \overload
  constexpr T* operator->() noexcept { return std::addressof(value_); } ///< member of the value
  constexpr T const* operator->() const noexcept { return std::addressof(value_); } ///< \overload

  /// The value; on an error throws `bad_result` (terminates without exceptions).
  constexpr T& value() & { return check(), value_; }
  constexpr T const& value() const& { return check(), value_; }   ///< \overload
  constexpr T&& value() && { return check(), std::move(value_); } ///< \overload

  constexpr loquat::error& error() & noexcept { return error_; }              ///< the error; undefined on a value
  constexpr loquat::error const& error() const& noexcept { return error_; }   ///< \overload
  constexpr loquat::error&& error() && noexcept { return std::move(error_); } ///< \overload

  /// The value, or `fallback` in place of an error.
  template <class U> constexpr T value_or(U&& fallback) const& {
    return ok_ ? value_ : static_cast<T>(std::forward<U>(fallback));
  }
  template <class U> constexpr T value_or(U&& fallback) && { ///< \overload
    return ok_ ? std::move(value_) : static_cast<T>(std::forward<U>(fallback));
  }

  /// `f(value)`, itself a result, or this error unchanged.
  template <class F> constexpr auto and_then(F&& f) && -> std::invoke_result_t<F, T&&> {
    if (ok_) return std::forward<F>(f)(std::move(value_));
    return std::move(error_);
  }
  /// A result of `f(value)`, or this error unchanged.
  template <class F> constexpr auto transform(F&& f) && -> result<std::invoke_result_t<F, T&&>> {
    if (ok_) return std::forward<F>(f)(std::move(value_));
    return std::move(error_);
  }

 private:
  constexpr void check() const {
    if (!ok_) detail::throw_bad_result(error_);
  }
  union {
    T value_;
    loquat::error error_;
  };
  bool ok_;
};

/// Success without a value, or an error.
template <> class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  using error_type = loquat::error;

  constexpr result() noexcept = default;
  constexpr result(loquat::error e) : error_(std::move(e)), ok_(false) {}

  constexpr bool has_value() const noexcept { return ok_; }         ///< true on success
  constexpr explicit operator bool() const noexcept { return ok_; } ///< the same
  constexpr void operator*() const noexcept {}                      ///< nothing, for generic code
  /// Returns on success; on an error throws `bad_result` (terminates without exceptions).
  constexpr void value() const {
    if (!ok_) detail::throw_bad_result(error_);
  }
  constexpr loquat::error& error() & noexcept { return error_; }              ///< the error; empty on success
  constexpr loquat::error const& error() const& noexcept { return error_; }   ///< \overload
  constexpr loquat::error&& error() && noexcept { return std::move(error_); } ///< \overload

  /// `f()`, itself a result, or this error unchanged.
  template <class F> constexpr auto and_then(F&& f) && -> std::invoke_result_t<F> {
    if (ok_) return std::forward<F>(f)();
    return std::move(error_);
  }

 private:
  loquat::error error_;
  bool ok_ = true;
};

} // namespace loquat
