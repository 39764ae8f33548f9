/// \file
/// Plugins and their host: order, failure in the middle, capabilities; in constant expressions where it can be.

#include <loquat/plugin/host.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plugin_host_test {

using namespace loquat;

namespace {

/// What the tests give to plugins: a diary.
struct program {
  std::vector<int> diary; // +n attached, −n detached
  int refuse = 0;
};

/// The smallest conforming type, as in the documentation of the concept.
struct hello {
  static constexpr std::string_view name = "hello";
  static constexpr version_number version{1, 0, 0};
  static constexpr std::array<std::string_view, 1> offers{"greeting"};
  constexpr result<void> attach(program&) { return {}; }
  constexpr void detach() noexcept {}
};
static_assert(Plugin<hello, program>);

template <int N> struct numbered {
  static constexpr std::array names{"zero", "one", "two", "three"};
  static constexpr char const* name = names[N];
  static constexpr version_number version{0, N, 0};
  static constexpr std::array<std::string_view, 2> offers{"number", N % 2 ? "odd" : "even"};
  program* where = nullptr;
  int value = N;

  constexpr result<void> attach(program& p) {
    if (p.refuse == N) return fail(errc::io, "the disk is on fire");
    where = &p;
    p.diary.push_back(N);
    return {};
  }
  constexpr void detach() noexcept { where->diary.push_back(-N); }
};

struct nothing_offered : hello {
  static constexpr std::array<std::string_view, 0> offers{};
};
static_assert(Plugin<nothing_offered, program>);

// Types that are no plugins, each for one reason.
struct nameless : hello {
  static constexpr std::string_view name = "";
};
struct may_throw : hello {
  void detach() {}
};
struct no_result : hello {
  void attach(program&) {}
};
struct unversioned {
  [[maybe_unused]] static constexpr std::string_view name = "x";
  [[maybe_unused]] static constexpr std::array<std::string_view, 0> offers{};
};
struct only_at_run_time : hello {
  static inline std::vector<std::string_view> offers{"x"};
};
static_assert(!Plugin<nameless, program> && !Plugin<may_throw, program> && !Plugin<no_result, program>);
static_assert(!PluginIdentity<unversioned> && !PluginIdentity<int> && !PluginIdentity<only_at_run_time>);
static_assert(!Plugin<hello, int>);

using three = host<numbered<1>, numbered<2>, numbered<3>>;

constexpr bool attaches_in_order_and_detaches_in_reverse() {
  program p;
  {
    three h;
    if (!h.attach(p) || !h.attached() || p.diary != std::vector{1, 2, 3}) return false;
  }
  return p.diary == std::vector{1, 2, 3, -3, -2, -1};
}
static_assert(attaches_in_order_and_detaches_in_reverse());

template <class H, capability What>
concept Finds = requires(H h) {
  h.template find<What>();
};

static_assert(three::size() == 3);
static_assert(three::offers("number") && three::offers("even") && !three::offers("greeting") && !three::offers(""));
static_assert(Finds<three, "odd"> && !Finds<three, "greeting">);
static_assert(std::same_as<decltype(std::declval<three&>().find<"number">()), numbered<1>&>); // the first of them
static_assert(std::same_as<decltype(std::declval<three&>().find<"even">()), numbered<2>&>);
static_assert(std::same_as<decltype(std::declval<three const&>().find<"even">()), numbered<2> const&>);
static_assert(!std::copyable<three> && !std::movable<three>);
static_assert(!host<>::offers("x") && !host<nothing_offered>::offers("greeting"));

struct generic {
  static constexpr std::string_view name = "generic";
  static constexpr version_number version{1, 2, 3};
  static constexpr std::array<std::string_view, 0> offers{};
  int* counter = nullptr;
  result<void> attach(auto& context) { return ++*(counter = &context), result<void>(); }
  void detach() noexcept { --*counter; }
};

} // namespace

TEST_CASE("a failure in the middle detaches what was attached, and says which plugin and why") {
  for (int refuse : {1, 2, 3}) {
    program p{.diary = {}, .refuse = refuse};
    three h;
    auto const outcome = h.attach(p);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == errc::io);
    CHECK(outcome.error().message() ==
          std::string("plugin: ") + numbered<1>::names[static_cast<std::size_t>(refuse)] + ": the disk is on fire");
    CHECK_FALSE(h.attached());
    std::vector<int> expected;
    for (int i = 1; i < refuse; ++i) expected.push_back(i);
    for (int i = refuse - 1; i > 0; --i) expected.push_back(-i);
    CHECK(p.diary == expected);

    p = {}; // it can be tried again
    CHECK(h.attach(p));
    CHECK(p.diary == std::vector{1, 2, 3});
  }
}

TEST_CASE("attaching twice is an error that changes nothing; detaching twice is nothing") {
  program p;
  three h;
  REQUIRE(h.attach(p));
  auto const again = h.attach(p);
  REQUIRE_FALSE(again);
  CHECK(again.error().code() == errc::argument);
  CHECK(h.attached());
  h.detach();
  h.detach();
  CHECK_FALSE(h.attached());
  CHECK(p.diary == std::vector{1, 2, 3, -3, -2, -1});
}

TEST_CASE("a host that was never attached detaches nothing") {
  numbered<1> const untouched;
  { host h{untouched}; }
  CHECK(untouched.where == nullptr);
}

TEST_CASE("plugins are kept by value, and found and visited in place") {
  host h{numbered<1>{.value = 10}, numbered<2>{.value = 20}};
  CHECK(h.find<"even">().value == 20);
  h.find<"even">().value = 21;
  std::vector<int> values;
  std::vector<std::string_view> names;
  h.for_each([&](auto& plugin) { values.push_back(plugin.value), names.push_back(plugin.name); });
  CHECK(values == std::vector{10, 21});
  CHECK(names == std::vector<std::string_view>{"one", "two"});
  auto const& constant = h;
  constant.for_each([&](auto const& plugin) { values.push_back(plugin.value); });
  CHECK(values.size() == 4);
}

TEST_CASE("plugins that cannot be copied are moved in") {
  struct owner : hello {
    std::unique_ptr<int> what;
  };
  owner o;
  o.what = std::make_unique<int>(7);
  host h{std::move(o)};
  CHECK(*h.find<"greeting">().what == 7);
  program p;
  CHECK(h.attach(p));
}

TEST_CASE("a context may be anything that the plugins take") {
  int count = 0;
  {
    host<generic, generic> h;
    REQUIRE(h.attach(count));
    CHECK(count == 2);
  }
  CHECK(count == 0);
}

} // namespace plugin_host_test
