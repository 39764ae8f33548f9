#pragma once
/// \file
/// What an index's type is made of besides its metric, in any order: `hnsw<cosine, rabitq<4>, rerank<f16>, dims<384>>`.

#include <loquat/index/codec.hpp>
#include <loquat/index/codecs/floats.hpp>
#include <loquat/io/huge_pages.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace loquat {

/// The elements of a vector, fixed by the type.
template <std::size_t N> struct dims {};
/// Vectors are kept a second time by this codec, and what was found with the first is measured again with it.
template <class C> struct rerank {};
/// Memory comes from this allocator, of any type (it is rebound).
template <class A> struct allocate_with {};

namespace detail {

struct nothing {};
struct no {
  static constexpr bool value = false;
};
template <class T> struct yes : std::type_identity<T> {
  static constexpr bool value = true;
};
// The type that one of the parts stands for, or a default; each kind of part is a trait.
template <class Default, template <class> class Kind, class... Parts> struct pick : std::type_identity<Default> {};
template <class Default, template <class> class Kind, class First, class... Rest>
struct pick<Default, Kind, First, Rest...>
    : std::conditional_t<Kind<First>::value, Kind<First>, pick<Default, Kind, Rest...>> {};

template <class P> struct codec_part : yes<P> {};
template <std::size_t N> struct codec_part<dims<N>> : no {};
template <class C> struct codec_part<rerank<C>> : no {};
template <class A> struct codec_part<allocate_with<A>> : no {};
template <class P> struct rerank_part : no {};
template <class C> struct rerank_part<rerank<C>> : yes<C> {};
template <class P> struct dims_part : no {};
template <std::size_t N> struct dims_part<dims<N>> : yes<std::integral_constant<std::size_t, N>> {};
template <class P> struct allocator_part : no {};
template <class A> struct allocator_part<allocate_with<A>> : yes<A> {};

/// The parts by name.
template <class... Parts> struct index_parts {
  using codec = typename pick<f32, codec_part, Parts...>::type;
  using exact = typename pick<nothing, rerank_part, Parts...>::type; ///< `nothing` without `rerank`
  using allocator = typename pick<huge_page_allocator<std::byte>, allocator_part, Parts...>::type;
  static constexpr bool reranks = !std::same_as<exact, nothing>;
  static constexpr std::size_t dimensions = pick<std::integral_constant<std::size_t, 0>, dims_part, Parts...>::type::value;
};

} // namespace detail
} // namespace loquat
