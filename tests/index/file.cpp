/// \file
/// Indices saved, loaded and mapped; files that are damaged, hostile or of another type.
#include "file_fuzz.hpp"

#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/data.hpp>
#include <support/random_rows.hpp>
#include <support/temporary.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace index_file_test {

using namespace loquat;
using test::random_numbers, test::random_rows;

constexpr bool every_flip_changes_a_checksum() {
  for (std::size_t size : {0u, 1u, 8u, 31u, 33u, 44u}) {
    std::byte bytes[45]{};
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 37);
    auto const sum = checksum({bytes, size});
    if (sum == checksum({bytes, size}, 1) || (size > 0 && sum == checksum({bytes, size - 1}))) return false;
    for (std::size_t bit = 0; bit < size * 8; bit += 5) {
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      if (sum == checksum({bytes, size})) return false;
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    }
  }
  return true;
}
static_assert(every_flip_changes_a_checksum());

// an index of n vectors, some erased, some put in their place
template <class Index> Index filled(std::size_t n, std::size_t d, std::uint64_t key = 0) {
  Index index{{.dimensions = d}};
  auto const rows = random_rows(n, d);
  REQUIRE(index.train(rows));
  for (std::size_t i = 0; i < n; ++i) REQUIRE(index.insert(key + i, std::span(rows).subspan(i * d, d)));
  for (std::size_t i = 0; i < n / 3; ++i) REQUIRE(index.erase(key + i * 2));
  for (std::size_t i = 0; i < n / 8; ++i) REQUIRE(index.insert(key + i * 2, std::span(rows).subspan(i * d, d)));
  return index;
}

template <class A, class B> void same_results(A const& a, B const& b, std::size_t d) {
  CHECK(a.size() == b.size());
  auto const queries = random_rows(12, d, 5);
  for (std::size_t q = 0; q < 12; ++q) {
    hit of_a[9], of_b[9];
    auto const x = std::span(queries).subspan(q * d, d);
    std::size_t const n = a.search(x, of_a, {.ef = 20}).value();
    REQUIRE(n == b.search(x, of_b, {.ef = 20}).value());
    for (std::size_t i = 0; i < n; ++i) CHECK(of_a[i] == of_b[i]);
  }
}

template <class Index> void comes_back(std::size_t n, std::size_t d) {
  test::temporary_folder const folder;
  auto const path = folder / "it.index";
  auto index = filled<Index>(n, d, 0xfedcba9876543210u);
  REQUIRE(save_index(index, path));
  CHECK(folder.files() == 1);
  CHECK(verify_index(path));
  auto const mapped = map_index<Index>(path).value();
  auto loaded = load_index<Index>(path).value();
  CHECK((mapped.mapped() && !loaded.mapped()));
  CHECK(mapped.memory_bytes() < 64);
  same_results(index, mapped, d);
  same_results(index, loaded, d);
  CHECK(index_bytes(index).value() == index_bytes(mapped).value());
  CHECK(index_bytes(index).value() == index_bytes(loaded).value());
  // it goes on as if it had never been away
  auto const more = random_rows(40, d, 9);
  for (std::size_t i = 0; i < 40; ++i) {
    auto const x = std::span(more).subspan(i * d, d);
    REQUIRE((index.insert(i, x) && loaded.insert(i, x)));
    REQUIRE(index.erase(0xfedcba9876543210u + i) == loaded.erase(0xfedcba9876543210u + i));
  }
  same_results(index, loaded, d);
  REQUIRE(save_index(loaded, path)); // over what is mapped
  same_results(index, map_index<Index>(path).value(), d);
}

TEST_CASE("an index is the same in memory, loaded and mapped, with every codec and metric") {
  comes_back<hnsw<l2>>(300, 24);
  comes_back<hnsw<cosine, sq8>>(150, 33);
  comes_back<hnsw<inner_product, f16>>(150, 7);
  comes_back<hnsw<l2, rabitq<4>, rerank<f32>>>(200, 20);
  comes_back<hnsw<cosine, rabitq<1>, rerank<bf16>, dims<65>>>(100, 65);
  comes_back<hnsw<hamming, binary>>(130, 70);
  comes_back<hnsw<cosine, pq<4>, rerank<f16>>>(120, 10);
  comes_back<flat<l2, sq8>>(100, 9);
  comes_back<flat<jaccard, binary>>(100, 9);
}

TEST_CASE("an empty index comes back empty") {
  test::temporary_folder const folder;
  hnsw<l2> const none{{.dimensions = 3, .m = 5, .several = true}};
  REQUIRE(save_index(none, folder / "none"));
  auto loaded = load_index<hnsw<l2>>(folder / "none").value();
  CHECK((loaded.empty() && loaded.options().m == 5 && loaded.options().several));
  float const x[]{1, 2, 3};
  hit found[1];
  CHECK(map_index<hnsw<l2>>(folder / "none").value().search(x, found).value() == 0);
  REQUIRE(loaded.insert(4, x));
  CHECK(loaded.search(x, found).value() == 1);
  CHECK(save_index(hnsw<l2>(), folder / "no dimensions").error().code() == errc::argument);
  CHECK(folder.files() == 1);
}

TEST_CASE("indices of the same vectors, emptied and compacted come back") {
  std::size_t const d = 4;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto const rows = random_rows(8, d, seed);
    hnsw<l2> index{{.dimensions = d, .m = 3, .compact_at = 1}};
    random_numbers random{seed};
    for (std::uint64_t round = 0; round < 20; ++round) {
      for (std::uint64_t i = 0; i < 20; ++i)
        REQUIRE(index.insert(round * 100 + i, std::span(rows).subspan(random() % 8 * d, d)));
      for (std::uint64_t i = 0; i < 30; ++i) index.erase(random() % ((round + 1) * 100));
      if (round % 10 == 9)
        for (std::uint64_t key = 0; key < 2000; ++key) index.erase(key);
      if (round % 3 == 0) index.compact();
      auto const loaded = load_index<hnsw<l2>>(std::span<std::byte const>(index_bytes(index).value()));
      if (!loaded) FAIL(std::string(loaded.error().message()));
      same_results(index, *loaded, d);
    }
  }
}

TEST_CASE("a mapped index can only be read") {
  test::temporary_folder const folder;
  REQUIRE(save_index(filled<hnsw<l2>>(30, 4), folder / "it"));
  auto index = map_index<hnsw<l2>>(folder / "it").value();
  auto const size = index.size();
  float const x[]{1, 2, 3, 4};
  std::uint64_t const keys[]{900, 901};
  auto const refused = index.insert(900, x);
  CHECK(refused.error().code() == errc::unsupported);
  CHECK(refused.error().message().find("it: a mapped index can only be read") != std::string_view::npos);
  CHECK(!index.update(1, x));
  CHECK(!index.insert(keys, std::vector<float>(8, 1.0f), pool(2)));
  CHECK(!index.erase(1));
  index.compact();
  CHECK((index.size() == size && index.contains(1)));
}

TEST_CASE("errors of files that are not this index name the file and what was expected") {
  test::temporary_folder const folder;
  auto const path = folder / "it";
  REQUIRE(save_index(filled<hnsw<l2, sq8>>(30, 4), path));
  auto const says = [&]<class Index>(std::type_identity<Index>, std::string_view what, errc code = errc::mismatch) {
    for (auto const& e : {load_index<Index>(path).error(), map_index<Index>(path).error()}) {
      INFO(std::string(e.message()));
      CHECK(e.code() == code);
      CHECK(e.message().find(path) == 0);
      CHECK(e.message().find(what) != std::string_view::npos);
    }
  };
  says(std::type_identity<hnsw<cosine, sq8>>(), "metric of the file: l2, of the program's type: cosine");
  says(std::type_identity<hnsw<l2>>(), "codec of the file: sq8, of the program's type: F32");
  says(std::type_identity<hnsw<l2, sq8, rerank<f16>>>(), "rerank of the file: none, of the program's type: F16");
  says(std::type_identity<hnsw<l2, sq8, dims<5>>>(), "have 4 elements, those of the program's type 5");
  says(std::type_identity<flat<l2, sq8>>(), "kind hnsw, the program's type is flat");
  auto const info = read_index_info(path).value();
  CHECK((info.metric.view() == "l2" && info.codec.view() == "sq8" && info.dimensions == 4 && info.m == 16));

  using it = std::type_identity<hnsw<l2, sq8>>;
  auto bytes = test::read(path);
  auto const is = [&](std::string contents) { folder.put("it", contents); };
  is("");
  says(it(), "0 bytes are no file of an index", errc::malformed);
  is(std::string(1000, 'x'));
  says(it(), "does not begin with LQINDEX", errc::malformed);
  is(bytes.substr(0, bytes.size() - 1));
  says(it(), "its header says", errc::malformed);
  is(std::string(bytes).replace(16, 1, "\2"));
  says(it(), "version 2 of the format; this program reads version 1", errc::unsupported);
  is(std::string(bytes).replace(150, 1, "\2"));
  says(it(), "the header is damaged", errc::malformed);
  auto const codes = load_little<std::uint64_t>(bytes.data() + 320 + 8);
  bytes[codes] = static_cast<char>(bytes[codes] ^ 4);
  is(bytes);
  CHECK(load_index<hnsw<l2, sq8>>(path).error().message().find("section codes at ") != std::string_view::npos);
  CHECK(verify_index(path).error().message().find("section codes at ") != std::string_view::npos);
  std::filesystem::remove(path);
  says(it(), "", errc::missing);
}

template <class Index> std::vector<std::byte> small_file() {
  return index_bytes(filled<Index>(70, 6)).value();
}

// the file with something else in place of a section
std::vector<std::byte> with_section(std::span<std::byte const> file, std::uint32_t id,
                                    std::span<std::byte const> contents) {
  auto layout = detail::layout_of(file).value();
  std::vector<std::span<std::byte const>> arrays;
  std::uint64_t at = detail::fixed_header + layout.sections.size() * detail::section_entry;
  for (auto& s : layout.sections) {
    arrays.push_back(s.id == id ? contents : detail::bytes_of(s, file));
    s.offset = detail::aligned(at), s.bytes = arrays.back().size(), s.sum = checksum(arrays.back(), s.id);
    at = s.offset + s.bytes;
  }
  layout.file_bytes = at;
  auto out = detail::header_bytes(layout);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    out.resize(static_cast<std::size_t>(layout.sections[i].offset));
    out.insert(out.end(), arrays[i].begin(), arrays[i].end());
  }
  return out;
}

template <class Index> void wants_what_was_learned(std::uint32_t id) {
  auto const whole = small_file<Index>();
  auto const layout = detail::layout_of(whole).value();
  auto const learned = detail::bytes_of(*layout.find(id), whole);
  CHECK(with_section(whole, id, learned) == whole);
  auto const says = [&](std::size_t bytes, std::string_view what) {
    test::aligned_bytes file(with_section(whole, id, learned.first(bytes)));
    for (auto const& e : {map_index<Index>(file.get()).error(), load_index<Index>(file.get()).error()}) {
      CHECK(e.code() == errc::malformed);
      CHECK(e.message().find(what) != std::string_view::npos);
    }
  };
  says(0, "section learned is empty, and the codec can do nothing before it has learned");
  says(learned.size() - 4, "section learned is not what the codec can have learned");
}
TEST_CASE("vectors in code books that are not there are refused") {
  wants_what_was_learned<flat<l2, pq<3>>>(detail::array_number::learned);
  wants_what_was_learned<hnsw<l2, pq<3>>>(detail::array_number::learned);
  wants_what_was_learned<hnsw<l2, f16, rerank<pq<3>>>>(detail::array_number::exact_learned);
}

// a file of holes behind its header
struct sparse_file {
  std::vector<std::byte> head;
  std::uint64_t bytes;
  std::size_t at = 0;

  std::uint64_t size() const { return bytes; }
  result<void> read(std::span<std::byte> out) {
    for (auto& b : out) b = at < head.size() ? head[at++] : std::byte{};
    return {};
  }
};
TEST_CASE("a file that is larger than any memory is an error when it is loaded") {
  for (std::uint64_t const slots : {std::uint64_t{1} << 12, std::uint64_t{1} << 30}) {
    detail::index_layout layout;
    auto& i = layout.info;
    i = detail::index_files::describe(std::type_identity<flat<l2>>());
    i.dimensions = slots >> 10, i.slots = slots, i.places = slots + 1;
    std::uint64_t at = detail::fixed_header + 3 * detail::section_entry;
    auto const add = [&](std::uint32_t id, std::uint32_t element, std::uint64_t n) {
      layout.sections.push_back({id, element, detail::aligned(at), n * element, 0});
      at = detail::aligned(at) + n * element;
    };
    add(detail::array_number::codes, 4, i.slots * i.dimensions);
    add(detail::array_number::keys, 8, i.slots);
    add(detail::array_number::key_places, 4, i.places);
    layout.file_bytes = at;
    sparse_file file{detail::header_bytes(layout), at};
    auto const index = detail::read_index<flat<l2>>(file);
    REQUIRE(!index);
    bool const huge = slots > 1 << 20; // the other is read, and its checksum is wrong
    CHECK(index.error().code() == (huge ? errc::capacity : errc::malformed));
    CHECK(index.error().message().find(huge ? "bytes to give" : "section codes at") != std::string_view::npos);
  }
}

TEST_CASE("no truncated file opens") {
  for (auto const& whole : {small_file<test::fuzzed_graph>(), small_file<test::fuzzed_flat>()}) {
    for (std::size_t n = 0; n < whole.size(); n += n < 1000 ? 1 : 3) {
      test::aligned_bytes part(std::span<std::byte const>(whole).first(n));
      CHECK(test::fuzz_index_as<test::fuzzed_graph>(part.get()) == test::index_outcome::refused);
      test::seal_index(part.get());
      CHECK(test::fuzz_index_as<test::fuzzed_flat>(part.get()) == test::index_outcome::refused);
    }
  }
}

template <class Index> void survives_damage(std::uint64_t seed, int rounds) {
  auto const whole = small_file<Index>();
  CHECK(test::fuzz_index_as<Index>(test::aligned_bytes(whole).get()) == test::index_outcome::loaded);
  std::size_t outcomes[4]{};
  random_numbers random{seed};
  for (int round = 0; round < rounds; ++round) {
    test::aligned_bytes file(whole);
    auto const bytes = file.get();
    for (auto n = random() % 4 + 1; n-- > 0;) {
      // headers and small sections more often than codes
      std::size_t const at = (random() & 1) != 0 ? random() % 800 % bytes.size() : random() % bytes.size();
      switch (random() % 4) {
      case 0:
        bytes[at] ^= static_cast<std::byte>(1u << random() % 8);
        break;
      case 1:
        bytes[at] = static_cast<std::byte>(random());
        break;
      case 2:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(8, bytes.size() - at),
                    std::byte{0xff});
        break;
      default:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(4, bytes.size() - at),
                    std::byte{0});
        break;
      }
    }
    if (round % 4 != 0) test::seal_index(bytes);
    auto const outcome = test::fuzz_index_as<Index>(bytes);
    CHECK(outcome != test::index_outcome::wrong);
    ++outcomes[static_cast<std::size_t>(outcome)];
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(outcomes[i] > 5); // all of it was tried
}
TEST_CASE("damaged and hostile files are refused, or searched safely") {
  survives_damage<test::fuzzed_graph>(1, 2500);
  survives_damage<test::fuzzed_bits>(2, 900);
  survives_damage<test::fuzzed_books>(4, 500);
  survives_damage<test::fuzzed_flat>(3, 900);
}

TEST_CASE("one flipped bit anywhere is noticed when the file is loaded") {
  auto const whole = small_file<test::fuzzed_graph>();
  auto const layout = detail::layout_of(whole).value();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    bool inside = at < layout.sections.front().offset && at < 320 + 32 * layout.sections.size();
    for (auto const& s : layout.sections) inside = inside || (at >= s.offset && at < s.offset + s.bytes);
    auto bytes = whole;
    bytes[at] ^= static_cast<std::byte>(1u << at % 8);
    CHECK(load_index<test::fuzzed_graph>(std::span<std::byte const>(bytes)).has_value() == !inside);
  }
}

TEST_CASE("every file of the corpus of indices is refused or searched safely") {
  std::size_t inputs = 0, loaded = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/index")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const bytes = test::read(path);
    auto const outcome = test::fuzz_index(std::as_bytes(std::span(bytes)));
    CHECK(outcome != test::index_outcome::wrong);
    ++inputs;
    loaded += outcome == test::index_outcome::loaded;
  }
  CHECK(inputs >= 5);
  CHECK(loaded >= 3);
  CHECK(loaded < inputs);
}

} // namespace index_file_test
