/// \file
/// The vector kernels against the reference backend: every operation, every target, several thread counts, odd sizes,
/// bit for bit.
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace backend_cpu_test {

using namespace loquat;

namespace {

static_assert(Backend<cpu> && Backend<reference>);
static_assert(kernels_support(q4_k::integer, 256) && kernels_support(nvfp4::integer, 64));
static_assert(!kernels_support({.group = 32, .activations = 32, .highest = 3}, 64)); // two groups
static_assert(!kernels_support({.group = 64, .activations = 256, .highest = 3}, 256));
static_assert(!kernels_support({.highest = 15, .minima = -1}, 32));
static_assert(!kernels_support({.highest = 127, .offset = -8}, 32)); // 135

// f(backend) for every target of this machine and 1, 2 and 3 threads
template <class F> void on_every_cpu(F f) {
  for (auto target : simd::all_targets)
    if (target <= simd::detect())
      for (unsigned threads : {1u, 2u, 3u}) {
        INFO("target ", std::string(name(target)), ", threads ", threads);
        f(cpu({threads, target}));
      }
}

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// memory for a workspace of one backend
template <class B> struct bench {
  explicit bench(B const& backend, workspace_limits limits) {
    arena_size size;
    backend.reserve(limits, size);
    memory = arena::make(size.bytes()).value();
    work = backend.make_workspace(limits, memory);
  }
  arena memory;
  typename B::workspace work;
};

constexpr workspace_limits limits{64, 768, 300, 128, 6};

// rows of random blocks with every bit pattern but enormous scales; of packed weights where a block is a float
template <BlockFormat F> std::vector<std::byte> random_rows(std::size_t rows, std::size_t columns) {
  test::random_floats random;
  if constexpr (integer_format<F>) {
    std::vector<std::byte> bytes(row_bytes<F>(columns) * rows);
    for (std::size_t at = 0; at < bytes.size(); at += F::block_bytes) {
      std::array<float, F::block_length> weights;
      do {
        for (std::size_t i = 0; i < F::block_bytes; ++i)
          bytes[at + i] = static_cast<std::byte>(static_cast<int>((random() + 1) * 128) & 0xff);
        F::unpack(bytes.data() + at, weights.data());
      } while (!std::ranges::all_of(weights, [](float w) { return std::fabs(w) < 1e4f; }));
    }
    return bytes;
  } else {
    return test::packed<F>(random(rows * columns));
  }
}

template <BlockFormat F> void check_matmul(std::size_t rows, std::size_t columns) {
  CAPTURE(std::string(F::name));
  test::random_floats random;
  auto const bytes = random_rows<F>(rows, columns);
  auto const more = test::packed<f32>(random(5 * columns));
  auto const bias = random(rows);
  tensor_view const tensor{"w", F::type, 2, {columns, rows, 1, 1}, bytes};
  tensor_view const floats{"v", tensor_type::f32, 2, {columns, 5, 1, 1}, more};
  for (std::size_t n : {1u, 2u, 3u, 7u, 8u, 9u, 13u, 31u}) {
    auto x = random(n * columns);
    std::fill_n(x.begin(), columns / 2, 0.0f); // a block of zeros has no scale
    auto const run = [&](auto const& backend) {
      bench b(backend, limits);
      auto const w = backend.make_matrix(tensor).value(), v = backend.make_matrix(floats).value();
      std::vector<float> y(n * rows), z(n * 5);
      using projected = projection<std::remove_cvref_t<decltype(w)>>;
      std::array const both{projected{&w, y, bias}, projected{&v, z}};
      backend.matmul(b.work, x, n, both);
      y.insert(y.end(), z.begin(), z.end());
      return y;
    };
    auto const expected = run(reference{});
    CAPTURE(n);
    on_every_cpu([&](cpu const& backend) { CHECK(same_bits(run(backend), expected)); });
  }
}

template <class... Formats> void check_products(type_list<Formats...>) {
  auto const check = []<BlockFormat F>(F) {
    std::size_t const unit = F::block_length == 1 ? 19 : F::block_length;
    check_matmul<F>(37, unit * 3); // of one panel; parts of tiles and of rows taken together
    check_matmul<F>(66, 768);      // of more panels than one, in both directions
  };
  (check(Formats{}), ...);
}
TEST_CASE("matrix products equal the reference: floats") { check_products(type_list<f32, f16, bf16>{}); }
TEST_CASE("matrix products equal the reference: blocks of 32 and 64") {
  check_products(type_list<q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl, mxfp4, nvfp4>{});
}
TEST_CASE("matrix products equal the reference: K formats") {
  check_products(type_list<q2_k, q3_k, q4_k, q5_k, q6_k>{});
}
TEST_CASE("matrix products equal the reference: IQ formats") {
  check_products(type_list<iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_xs>{});
}
TEST_CASE("matrix products equal the reference: ternary formats") { check_products(type_list<tq1_0, tq2_0>{}); }

// a program's own executor: everything on the caller, the last chunk first
struct backwards {
  unsigned size() const { return 1; }
  template <class F> void run(std::size_t chunks, F const& f) const {
    while (chunks-- > 0) f(chunks, 0u);
  }
};
static_assert(Executor<backwards> && Executor<pool> && !Executor<int>);

TEST_CASE("a program's own executor gives the same results") {
  test::random_floats random;
  auto const bytes = test::packed<q4_0>(random(130 * 256));
  auto const x = random(40 * 256);
  auto const run = [&](auto const& backend) {
    bench b(backend, limits);
    auto const w = backend.make_matrix({"w", q4_0::type, 2, {256, 130, 1, 1}, bytes}).value();
    std::vector<float> y(40 * 130);
    std::array const one{projection<std::remove_cvref_t<decltype(w)>>{&w, y}};
    backend.matmul(b.work, x, 40, one);
    return y;
  };
  using own = basic_cpu<type_list<q4_0>, backwards>;
  static_assert(Backend<own>);
  CHECK(own(backwards{}).threads() == 1);
  CHECK(same_bits(run(own(backwards{})), run(cpu({2}))));
}

TEST_CASE("the reference's matrix product is near the exact one") {
  test::random_floats random;
  auto const weights = random(8 * 64), x = random(64);
  auto const check = [&]<BlockFormat F>(F, double tolerance) {
    auto const bytes = test::packed<F>(weights);
    reference const backend;
    auto const w = backend.make_matrix({"w", F::type, 2, {64, 8, 1, 1}, bytes}).value();
    std::vector<float> y(8);
    reference::workspace work;
    std::array const one{projection<reference::matrix>{&w, y}};
    backend.matmul(work, x, 1, one);
    for (std::size_t r = 0; r < 8; ++r) {
      double exact = 0;
      for (std::size_t i = 0; i < 64; ++i)
        exact += static_cast<double>(weights[r * 64 + i]) * static_cast<double>(x[i]);
      CHECK(std::fabs(exact - static_cast<double>(y[r])) < tolerance);
    }
  };
  check(f32{}, 1e-5);
  check(f16{}, 5e-3);
  check(q8_0{}, 0.1);
  check(q4_0{}, 1.0);
}

TEST_CASE("norms equal the reference") {
  test::random_floats random;
  for (std::size_t d : {1u, 5u, 16u, 33u, 2048u}) {
    std::size_t const n = d == 2048 ? 12 : 3;
    auto const x = random(n * d), w = random(d), b = random(d);
    auto const run = [&](auto const& backend, bool rms) {
      bench bb(backend, limits);
      std::vector<float> y(n * d);
      if (rms)
        backend.rms_norm(bb.work, x, w, 1e-5f, y);
      else
        backend.layer_norm(bb.work, x, w, b, 1e-5f, y);
      return y;
    };
    CAPTURE(d);
    for (bool rms : {true, false}) {
      auto const expected = run(reference{}, rms);
      on_every_cpu([&](cpu const& backend) { CHECK(same_bits(run(backend, rms), expected)); });
      if (d < 16) continue;
      double sum = 0, squares = 0; // of the first vector, before its weights
      for (std::size_t i = 0; i < d; ++i) {
        double const v = static_cast<double>(rms ? expected[i] / w[i] : (expected[i] - b[i]) / w[i]);
        sum += v, squares += v * v;
      }
      CHECK(std::fabs(squares / static_cast<double>(d) - 1) < 1e-3);
      if (!rms) CHECK(std::fabs(sum / static_cast<double>(d)) < 1e-3);
    }
  }
}

TEST_CASE("rotary embeddings equal the reference and keep lengths") {
  test::random_floats random;
  for (auto style : {rope_style::adjacent, rope_style::halves})
    for (auto [head_dim, dims] : {std::pair{16u, 16u}, {20u, 10u}, {64u, 64u}, {80u, 34u}}) {
      std::size_t const n = 3, heads = 2;
      auto const x = random(n * heads * head_dim);
      std::vector<float> cosines(n * dims), sines(n * dims);
      for (std::size_t t = 0; t < n; ++t)
        for (std::size_t i = 0; i < dims / 2; ++i) {
          auto const [s, c] = math::sincos_turns((t + 1) * (i + 1) * 0x123456789abcdefu);
          std::size_t const a = style == rope_style::adjacent ? 2 * i : i,
                            b = style == rope_style::adjacent ? a + 1 : i + dims / 2;
          cosines[t * dims + a] = cosines[t * dims + b] = c;
          sines[t * dims + a] = -s, sines[t * dims + b] = s;
        }
      auto const run = [&](auto const& backend) {
        bench b(backend, limits);
        auto y = x;
        backend.rope(b.work, style, y, n, head_dim, cosines, sines);
        return y;
      };
      auto const expected = run(reference{});
      on_every_cpu([&](cpu const& backend) { CHECK(same_bits(run(backend), expected)); });
      double before = 0, after = 0;
      for (std::size_t i = 0; i < x.size(); ++i)
        before += static_cast<double>(x[i] * x[i]), after += static_cast<double>(expected[i] * expected[i]);
      CHECK(std::fabs(before - after) < 1e-4 * before);
      CHECK(!same_bits(x, expected));
      CHECK(std::equal(x.data() + dims, x.data() + head_dim, expected.data() + dims)); // beyond dims nothing turns
    }
}

TEST_CASE("element-wise operations equal the reference") {
  test::random_floats random;
  for (std::size_t n : {1u, 15u, 16u, 100u, 40'000u}) {
    auto x = random(n), u = random(n);
    for (float& v : x) v *= 20;
    for (float& v : u) v *= 9;
    for (auto kind :
         {activation::silu, activation::gelu, activation::tanh, activation::relu_squared, activation::clipped_silu,
          activation::sigmoid, activation::softplus, activation::relu, activation::gelu_erf}) {
      auto const run = [&](auto const& backend) {
        bench b(backend, limits);
        auto y = x;
        backend.gate(b.work, kind, y, u);
        backend.add(b.work, y, x);
        backend.activate(b.work, kind, y);
        return y;
      };
      auto const expected = run(reference{});
      on_every_cpu([&](cpu const& backend) { CHECK(same_bits(run(backend), expected)); });
    }
  }
  reference::workspace work;
  std::vector<float> y{1.0f, -2.0f, 0.5f};
  reference{}.activate(work, activation::silu, y);
  CHECK(y[0] == doctest::Approx(0.731059));
  CHECK(y[1] == doctest::Approx(-0.238406));
  y = {1.0f, -2.0f, 0.5f};
  reference{}.activate(work, activation::gelu, y);
  CHECK(y[0] == doctest::Approx(0.841192));
  CHECK(y[1] == doctest::Approx(-0.0454023));
  y = {1.0f, -2.0f, 0.5f};
  reference{}.activate(work, activation::gelu_erf, y);
  CHECK(y[0] == doctest::Approx(0.841345));
  CHECK(y[1] == doctest::Approx(-0.0455003));
  reference{}.activate(work, activation::relu, y);
  CHECK(y == std::vector<float>{y[0], 0.0f, y[2]});
}

TEST_CASE("the vector exponential equals math::exp") {
  std::vector<float> inputs;
  for (std::uint64_t bits = 0; bits < 1u << 31; bits += 3001) { // positive and negative, subnormal to NaN
    inputs.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    inputs.push_back(-inputs.back());
  }
  for (float edge : {math::exp_constants::lowest, math::exp_constants::highest}) {
    inputs.push_back(edge);
    inputs.push_back(std::nextafter(edge, 1000.0f));
    inputs.push_back(std::nextafter(edge, -1000.0f));
  }
  for (auto target : simd::all_targets) {
    if (target > simd::detect()) continue;
    auto out = inputs;
    simd::dispatch<kernel::elementwise>(target, [&](auto k) { k.exp(out.data(), out.size()); });
    std::size_t different = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      float const expected = math::exp(inputs[i]);
      different += std::isnan(expected) ? !std::isnan(out[i]) : std::memcmp(&out[i], &expected, 4) != 0;
    }
    CAPTURE(std::string(name(target)));
    CHECK(different == 0);
  }
}

TEST_CASE("embeddings are the rows of the matrix") {
  test::random_floats random;
  auto const bytes = test::packed<q8_0>(random(10 * 64));
  std::vector<token> const ids{3, 0, 9};
  auto const run = [&](auto const& backend) {
    bench b(backend, limits);
    auto const table = backend.make_matrix({"e", q8_0::type, 2, {64, 10, 1, 1}, bytes}).value();
    std::vector<float> y(3 * 64);
    backend.embed(b.work, table, ids, y);
    return y;
  };
  auto const expected = run(reference{});
  std::vector<float> row(64);
  unpack_row<q8_0>(bytes.data() + 9 * 68, row.data(), 64);
  CHECK(std::equal(row.begin(), row.end(), expected.begin() + 2 * 64));
  on_every_cpu([&](cpu const& backend) { CHECK(same_bits(run(backend), expected)); });
}

// a format with nothing but unpack and pack: steps of 1/4
struct quarters {
  static constexpr auto type = static_cast<tensor_type>(1000);
  static constexpr std::string_view name = "quarters";
  static constexpr std::size_t block_length = 4, block_bytes = 4;
  static constexpr void unpack(std::byte const* in, float* out) {
    for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<float>(static_cast<std::int8_t>(in[i])) / 4;
  }
  static constexpr void pack(float const* in, std::byte* out) {
    for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(static_cast<int>(in[i] * 4));
  }
};

TEST_CASE("a format without a kernel of its own works by unpacking") {
  test::random_floats random;
  auto const bytes = test::packed<quarters>([&] {
    auto w = random(7 * 20);
    for (float& v : w) v *= 20;
    return w;
  }());
  auto const x = random(6 * 20);
  tensor_view const tensor{"w", quarters::type, 2, {20, 7, 1, 1}, bytes};
  auto const run = [&](auto const& backend) {
    bench b(backend, limits);
    auto const w = backend.make_matrix(tensor).value();
    std::vector<float> y(6 * 7);
    std::array const one{projection<std::remove_cvref_t<decltype(w)>>{&w, y}};
    backend.matmul(b.work, x, 6, one);
    return y;
  };
  auto const expected = run(basic_reference<type_list<quarters>>{});
  for (auto target : simd::all_targets)
    if (target <= simd::detect()) CHECK(same_bits(run(basic_cpu<type_list<f32, quarters>>({2, target})), expected));
}

TEST_CASE("matrices that a backend cannot hold are errors") {
  std::vector<std::byte> const bytes(4096);
  auto const check = [&](auto const& backend) {
    auto const unknown = backend.make_matrix({"w", tensor_type::q1_0, 2, {256, 2, 1, 1}, bytes});
    CHECK(unknown.error().message() == "tensor w: no kernel for type Q1_0");
    auto const cube = backend.make_matrix({"w", tensor_type::f32, 3, {4, 4, 4, 1}, bytes});
    CHECK(cube.error().message() == "tensor w: expected a matrix, found 3 dimensions");
    auto const uneven = backend.make_matrix({"w", tensor_type::q4_0, 2, {40, 2, 1, 1}, bytes});
    CHECK(uneven.error().message() == "tensor w: 40 columns are no multiple of the 32 in a block of Q4_0");
    auto const empty = backend.make_matrix({"w", tensor_type::f32, 2, {4, 0, 1, 1}, bytes});
    CHECK(empty.error().message() == "tensor w: an empty matrix");
    auto const cut = backend.make_matrix({"w", tensor_type::f32, 2, {1024, 2, 1, 1}, bytes});
    CHECK(cut.error().message() == "tensor w: 4096 bytes are too few for 2 rows of 1024");
  };
  check(cpu({1}));
  check(reference{});
  auto const crooked = cpu({1}).make_matrix({"w", tensor_type::f32, 2, {4, 4, 1, 1}, std::span(bytes).subspan(1)});
  CHECK(crooked.error().message() == "tensor w: its bytes must lie at a multiple of 4");
}

} // namespace

} // namespace backend_cpu_test
