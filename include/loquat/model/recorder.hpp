#pragma once
/// \file
/// `recorder`: hooks that keep what happens inside a model, as spans for whoever wants to look at it afterwards.
///
///     auto seen = loquat::recorder::make(model.sizes(), {.tokens = 64, .context = 64}).value();
///     model.forward(session, ids, seen);
///     seen.attention(3); // [heads, tokens, length] of layer 3

#include <loquat/core/arena.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/hyperparameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace loquat {

/// What a recorder has room for.
struct recorder_options {
  std::size_t tokens = 256; ///< of a pass; of a longer one nothing is kept
  std::size_t context = 0;  ///< positions that attention maps reach back; 0: there are none, and none are computed
  bool activations = true;  ///< of feed-forward layers, but not of experts
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(); ///< cap on its memory
};

/// Keeps the residual stream, activations and attention weights of the last forward pass (of a call with more tokens
/// than the session's batch: of its last batch). Its memory is taken when it is made; move-only.
class recorder {
 public:
  /// For a model of these sizes. `errc::capacity` if the memory exceeds the cap or the machine.
  static constexpr result<recorder> make(hyperparameters const& h, recorder_options const& options = {}) {
    recorder out;
    out.room_ = options.tokens;
    out.layers_ = h.layers;
    out.width_ = h.embedding;
    out.heads_ = h.heads;
    out.context_ = options.context;
    out.inner_ = options.activations ? h.feed_forward : 0;
    constexpr std::size_t most = std::size_t{1} << 31; // sizes of a model are below: no product of three overflows
    if (options.tokens > most / 4 || options.context > most / 4)
      return fail(errc::capacity, "recorder: ", options.tokens, " tokens and a context of ", options.context,
                  " are beyond any memory");
    arena_size size; // an array for each layer: so no size overflows
    for (std::size_t l = 0; l <= h.layers && size.bytes() <= options.max_bytes; ++l)
      size.add<float>(out.stream_size()).add<float>(out.map_size()).add<float>(out.inner_size());
    size.add<span_of_layer>(h.layers + 1);
    auto memory = arena::make(size.bytes(), options.max_bytes);
    if (!memory) return memory.error().within("recorder");
    out.memory_ = std::move(*memory);
    out.spans_ = out.memory_.take<span_of_layer>(h.layers + 1);
    for (auto& s : out.spans_) {
      s.stream = out.memory_.take<float>(static_cast<std::size_t>(out.stream_size()));
      s.map = out.memory_.take<float>(static_cast<std::size_t>(out.map_size()));
      s.inner = out.memory_.take<float>(static_cast<std::size_t>(out.inner_size()));
    }
    return out;
  }

  constexpr std::size_t tokens() const noexcept { return n_; }          ///< of the last pass; 0: it was not kept
  constexpr std::size_t position() const noexcept { return position_; } ///< of the first of them
  constexpr std::size_t length() const noexcept { return n_ == 0 ? 0 : position_ + n_; } ///< positions they look at
  /// The residual stream before a layer, behind the last one for `layer` = number of layers: [tokens, embedding].
  constexpr std::span<float const> stream(std::size_t layer) const noexcept {
    return layer > layers_ ? std::span<float const>() : spans_[layer].stream.first(n_ * width_);
  }
  /// Attention weights of a layer: [heads, tokens, length]; empty where there is no room.
  constexpr std::span<float const> attention(std::size_t layer) const noexcept {
    std::size_t const size = heads_ * n_ * length();
    return layer >= layers_ || !fits() ? std::span<float const>() : spans_[layer].map.first(size);
  }
  /// What the last matrix of a feed-forward layer takes: [tokens, feed_forward]; empty for experts.
  constexpr std::span<float const> activations(std::size_t layer) const noexcept {
    return layer >= layers_ || inner_ == 0 ? std::span<float const>() : spans_[layer].inner.first(kept_inner_);
  }

  /// A hook.
  constexpr void block_input(hook_site const& at, std::span<float> x) noexcept {
    if (at.layer == 0) {
      n_ = at.n <= room_ ? at.n : 0;
      position_ = at.position;
      kept_inner_ = 0;
    }
    keep_stream(at.layer, x);
  }
  /// A hook.
  constexpr std::span<float> attention_room(hook_site const& at, std::size_t) noexcept {
    return fits() ? spans_[at.layer].map : std::span<float>();
  }
  constexpr void attention_weights(hook_site const&, std::span<float const>) const noexcept {
  } ///< a hook: they are there
  /// A hook.
  constexpr void activations(hook_site const& at, std::span<float> x) noexcept {
    if (at.expert != hook_site::none || inner_ == 0) return;
    keep(spans_[at.layer].inner, x);
    kept_inner_ = n_ * inner_;
  }
  /// A hook.
  constexpr void block_output(hook_site const& at, std::span<float> x) noexcept {
    if (at.layer + 1 == layers_) keep_stream(layers_, x);
  }

 private:
  struct span_of_layer {
    std::span<float> stream, map, inner;
  };

  constexpr recorder() = default;
  constexpr std::uint64_t stream_size() const noexcept { return std::uint64_t{room_} * width_; }
  constexpr std::uint64_t inner_size() const noexcept { return std::uint64_t{room_} * inner_; }
  constexpr std::uint64_t map_size() const noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t const each = std::uint64_t{room_} * context_;
    return each != 0 && heads_ > most / each ? most : each * heads_;
  }
  constexpr bool fits() const noexcept { return n_ != 0 && length() <= context_; }
  // nothing of a pass whose layers are wider or narrower than tokens: recurrent cells
  constexpr void keep_stream(std::size_t layer, std::span<float const> x) noexcept {
    if (x.size() != n_ * width_) n_ = 0;
    keep(spans_[layer].stream, x);
  }
  constexpr void keep(std::span<float> to, std::span<float const> x) const noexcept {
    if (n_ != 0) std::ranges::copy(x, to.begin());
  }

  arena memory_;
  std::span<span_of_layer> spans_; // [layers + 1]: the last has a stream only
  std::size_t room_ = 0, layers_ = 0, width_ = 0, heads_ = 0, context_ = 0, inner_ = 0;
  std::size_t n_ = 0, position_ = 0, kept_inner_ = 0;
};

} // namespace loquat
