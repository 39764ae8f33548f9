#pragma once
/// \file
/// What an encoder computes with: the buffers of a pass and tables of positions, in one piece of memory that is taken
/// once.

#include <loquat/backend/backend.hpp>
#include <loquat/core/arena.hpp>
#include <loquat/core/math.hpp>
#include <loquat/model/alibi.hpp>
#include <loquat/model/encoder_architecture.hpp>
#include <loquat/model/encoder_sizes.hpp>
#include <loquat/model/rope_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace loquat {

/// What an encoder's session can hold.
struct encoder_options {
  std::size_t context = 0; ///< tokens of the longest text; 0: what the model was trained for, at most 4096
  std::size_t batch = 512; ///< tokens of one pass, of several texts; at least `context`
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(); ///< cap on its memory
};

namespace detail {

/// The range of a distance, key's position less query's, in both directions (C. Raffel et al., 2020): a half of the
/// buckets for each; of these a half for one distance each, the others grow up to a distance of 128.
constexpr std::size_t distance_bucket(std::ptrdiff_t distance, std::size_t buckets) {
  std::size_t const half = buckets / 2, exact = half / 2, first = distance > 0 ? half : 0;
  auto const size = static_cast<std::size_t>(distance < 0 ? -distance : distance);
  if (size < exact) return first + size;
  auto const part = [&](double x) { return math::log(x / static_cast<double>(exact)); };
  double const spread = part(128) > 0 ? part(static_cast<double>(size)) / part(128) : 1;
  // at powers of two the quotient may be a rounding error below a whole number
  auto const beyond = static_cast<std::size_t>(spread * static_cast<double>(half - exact) + 1e-6);
  return first + std::min(exact + beyond, half - 1);
}

} // namespace detail

/// The state of one user of an encoder on backend `B`. Move-only; made by `make_session`, used by one thread at a time.
template <Backend B> class encoder_session {
 public:
  /// A session for an encoder. `distances`: [buckets, heads], of relative positions. `errc::capacity` if its memory
  /// exceeds the cap or the machine.
  static constexpr result<encoder_session> make(B const& backend, encoder_architecture const& a,
                                                encoder_sizes const& sizes, rope_tables const& ropes,
                                                std::span<float const> distances, bool keeps_input,
                                                encoder_options const& options) {
    encoder_session s;
    std::size_t const context = options.context != 0 ? options.context : std::min<std::size_t>(sizes.context, 4096);
    std::size_t const batch = std::max(options.batch, context);
    if (batch > 1u << 28 || sizes.kv_heads > (1u << 30) / kv_layout{kv_type::f32, sizes.head_dim}.padded())
      return fail(errc::capacity, "encoder session: a pass of ", batch, " tokens is beyond any memory");
    bool const turns = a.positions == position_kind::rotary, other = turns && sizes.window != 0;
    bool const biased = a.positions == position_kind::alibi || a.positions == position_kind::relative;
    bool const narrow = sizes.width != sizes.embedding;
    std::size_t const widest = std::max({sizes.embedding, sizes.token_embedding, sizes.width});
    std::size_t const columns = std::max(
        {widest, sizes.feed_forward, sizes.heads * sizes.head_dim, a.trigrams ? 3 * sizes.token_embedding : 0});
    workspace_limits const limits{batch, columns, context, sizes.head_dim, sizes.heads};
    s.cache = {kv_type::f32, 1, sizes.kv_heads, sizes.head_dim, context};
    // the spans and their lengths, written once to count and once to take; 64 bits, whatever size_t has
    auto const each = [&, rows = std::uint64_t{batch}](auto use) {
      use(s.x, rows * widest);
      use(s.branch, rows * widest);
      use(s.narrowed, narrow ? rows * sizes.width : 0);
      use(s.narrowed_keys, narrow ? rows * sizes.width : 0);
      use(s.input, keeps_input ? rows * sizes.width : 0);
      use(s.queries, rows * (sizes.heads * sizes.head_dim));
      use(s.keys, rows * (sizes.kv_heads * sizes.head_dim));
      use(s.values, rows * (sizes.kv_heads * sizes.head_dim));
      use(s.mixed, rows * (sizes.heads * sizes.head_dim));
      use(s.gate, rows * std::max(sizes.feed_forward, a.trigrams ? 3 * sizes.token_embedding : 0));
      use(s.up, rows * sizes.feed_forward);
      use(s.cosines, turns ? std::uint64_t{context} * sizes.rope_dims : 0);
      use(s.sines, turns ? std::uint64_t{context} * sizes.rope_dims : 0);
      use(s.window_cosines, other ? std::uint64_t{context} * sizes.rope_dims : 0);
      use(s.window_sines, other ? std::uint64_t{context} * sizes.rope_dims : 0);
      use(s.bias, biased ? (2 * std::uint64_t{context} - 1) * sizes.heads : 0);
    };
    arena_size size;
    size.add<token>(batch);
    each([&size](std::span<float>&, std::uint64_t n) { size.add<float>(n); });
    s.cache.reserve(size);
    backend.reserve(limits, size);
    auto memory = arena::make(size.bytes(), options.max_bytes);
    if (!memory) return memory.error().within("encoder session");
    s.memory_ = std::move(*memory);
    s.bytes_ = size.bytes();
    s.rows = s.memory_.template take<token>(batch);
    each([&s](std::span<float>& span, std::uint64_t n) {
      span = s.memory_.template take<float>(static_cast<std::size_t>(n));
    });
    s.cache.take(s.memory_);
    s.work = backend.make_workspace(limits, s.memory_);
    s.context_ = context;
    s.batch_ = batch;
    if (turns) s.turn(ropes.all, a.rope, sizes.rope_dims, s.cosines, s.sines);
    if (other) s.turn(ropes.window, a.rope, sizes.rope_dims, s.window_cosines, s.window_sines);
    if (a.positions == position_kind::alibi) detail::fill_alibi(sizes.heads, sizes.longest_alibi, context, s.bias);
    if (a.positions == position_kind::relative)
      for (std::size_t head = 0; head < sizes.heads; ++head)
        for (std::size_t i = 0; i < 2 * context - 1; ++i) {
          auto const distance = static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(context - 1);
          s.bias[head * (2 * context - 1) + i] =
              distances[detail::distance_bucket(distance, sizes.buckets) * sizes.heads + head];
        }
    return s;
  }

  constexpr std::size_t context() const noexcept { return context_; } ///< tokens of the longest text
  constexpr std::size_t batch() const noexcept { return batch_; }     ///< most tokens of one pass
  constexpr std::uint64_t bytes() const noexcept { return bytes_; }   ///< of memory, all in all

  kv_cache cache;                                ///< keys and values of one text in one layer
  typename B::workspace work{};                  ///< the backend's own
  std::span<float> x, branch;                    ///< [batch, embedding]
  std::span<float> narrowed, narrowed_keys;      ///< [batch, width], where a layer is narrower
  std::span<float> input;                        ///< [batch, width]: a layer's input, where it is added twice
  std::span<float> queries, mixed;               ///< [batch, heads, head_dim]
  std::span<float> keys, values;                 ///< [batch, kv_heads, head_dim]
  std::span<float> gate, up;                     ///< [batch, feed_forward]
  std::span<float> cosines, sines;               ///< [context, rope_dims]
  std::span<float> window_cosines, window_sines; ///< the same of layers with a window
  std::span<float> bias;                         ///< [heads, 2 · context − 1], by key's position less query's
  std::span<token> rows;                         ///< [batch]: numbers of rows

 private:
  constexpr void turn(rope_frequencies const& rope, rope_style style, std::size_t dims, std::span<float> cos,
                      std::span<float> sin) const {
    for (std::size_t p = 0; p < context_; ++p)
      rope.fill(style, p, cos.subspan(p * dims, dims), sin.subspan(p * dims, dims));
  }

  arena memory_;
  std::size_t context_ = 0, batch_ = 0;
  std::uint64_t bytes_ = 0;
};

} // namespace loquat
