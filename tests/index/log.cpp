/// \file
/// Durable indices: what was acknowledged is there after a crash at any point of any write, with every fate of what was
/// not on the disk yet; damaged logs.
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/durable.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/data.hpp>
#include <support/random_rows.hpp>
#include <support/temporary.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#  include <csignal>
#  include <sys/wait.h>
#  include <unistd.h>
#endif

namespace index_log_test {

using namespace loquat;
using test::random_numbers;

// Files of which every operation is recorded, so that they can be as they were at any moment.
class recorder {
 public:
  struct event {
    enum { create, write, sync, rename, sync_folder } kind;
    std::size_t file;             // its number
    std::string name, to;         // for create and rename
    std::vector<std::byte> bytes; // written
  };
  using folder = std::map<std::string, std::vector<std::byte>>;

  std::vector<event> events;
  folder start;

  // What is there if all ends when `whole` events and `part` bytes of the next have happened: after the end of the
  // process, or (`fate`, a source of choices) after a power cut, which keeps some of what was not on the disk.
  folder after(std::size_t whole, std::size_t part, random_numbers* fate) const {
    std::vector<std::vector<std::byte>> contents, safe;
    std::map<std::string, std::size_t> names, safe_names;
    for (auto const& [name, bytes] : start) {
      names[name] = contents.size();
      contents.push_back(bytes);
    }
    safe = contents, safe_names = names;
    std::vector<std::map<std::string, std::size_t>> later_names; // folders since the last sync of it
    auto const file_of = [&](event const& e) { return e.file + start.size(); };
    for (std::size_t i = 0; i < whole + (part != 0 ? 1 : 0); ++i) {
      auto const& e = events[i];
      if (e.file != appended && contents.size() <= file_of(e))
        contents.resize(file_of(e) + 1), safe.resize(contents.size());
      switch (e.kind) {
      case event::create:
        names[e.name] = file_of(e), later_names.push_back(names);
        break;
      case event::write: {
        auto const n = i == whole ? part : e.bytes.size();
        auto& file = contents[e.file == appended ? names.at(e.name) : file_of(e)];
        file.insert(file.end(), e.bytes.begin(), e.bytes.begin() + static_cast<std::ptrdiff_t>(n));
        break;
      }
      case event::sync: {
        auto const file = e.file == appended ? names.at(e.name) : file_of(e);
        safe[file] = contents[file];
        break;
      }
      case event::rename:
        names[e.to] = names.at(e.name), names.erase(e.name);
        later_names.push_back(names);
        break;
      case event::sync_folder:
        safe_names = names, later_names.clear();
        break;
      }
    }
    if (fate != nullptr) {
      // the folder as it was safe, or at some moment since; files with some of what was written since
      if (!later_names.empty() && (*fate)() % 2 != 0) safe_names = later_names[(*fate)() % later_names.size()];
      names = safe_names;
      for (std::size_t f = 0; f < contents.size(); ++f) {
        std::size_t const lost = contents[f].size() - safe[f].size();
        switch ((*fate)() % 4) {
        case 0:
          contents[f] = safe[f];
          break;
        case 1:
          contents[f].resize(safe[f].size() + (lost != 0 ? (*fate)() % (lost + 1) : 0));
          break;
        case 2:
          std::fill(contents[f].begin() + static_cast<std::ptrdiff_t>(safe[f].size()), contents[f].end(), std::byte{});
          break;
        default:
          if (lost > 8) // a hole
            std::fill_n(contents[f].begin() + static_cast<std::ptrdiff_t>(safe[f].size() + (*fate)() % (lost - 8)), 8,
                        std::byte{});
        }
      }
    }
    folder out;
    for (auto const& [name, file] : names) out[name] = contents[file];
    return out;
  }

  static constexpr std::size_t appended = static_cast<std::size_t>(-1) / 2; // a file that is found by its name
  std::size_t files = 0;
};

// Where events go. `fail_after`: how many until writes fail.
struct record {
  recorder* to;
  std::size_t* fail_after = nullptr;

  bool fails() const { return fail_after != nullptr && (*fail_after == 0 || --*fail_after == 0); }
};
// What `durable` sees of them.
struct recorded_files : record {
  struct replacement {
    record files;
    std::string path;
    std::size_t file;

    result<void> write(std::span<std::byte const> bytes) {
      if (files.fails()) return fail(errc::io, path, ": no space left");
      files.to->events.push_back({recorder::event::write, file, {}, {}, {bytes.begin(), bytes.end()}});
      return {};
    }
    result<void> commit() {
      if (files.fails()) return fail(errc::io, path, ": no space left");
      auto& events = files.to->events;
      events.push_back({recorder::event::sync, file, {}, {}, {}});
      events.push_back({recorder::event::rename, file, path + ".tmp0", path, {}});
      events.push_back({recorder::event::sync_folder, file, {}, {}, {}});
      return {};
    }
  };
  struct appender {
    record files;
    std::string path;

    result<void> write(std::span<std::byte const> bytes) {
      auto& events = files.to->events;
      if (files.fails()) { // half of it is there
        events.push_back({recorder::event::write,
                          recorder::appended,
                          path,
                          {},
                          {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2)}});
        return fail(errc::io, path, ": no space left");
      }
      events.push_back({recorder::event::write, recorder::appended, path, {}, {bytes.begin(), bytes.end()}});
      return {};
    }
    result<void> sync() {
      if (files.fails()) return fail(errc::io, path, ": no space left");
      files.to->events.push_back({recorder::event::sync, recorder::appended, path, {}, {}});
      return {};
    }
  };
  struct source {
    std::vector<std::byte> bytes;
    std::size_t at = 0;

    std::uint64_t size() const { return bytes.size(); }
    result<void> read(std::span<std::byte> out) {
      if (out.size() > bytes.size() - at) return fail(errc::io, "the file ends early");
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
      at += out.size();
      return {};
    }
  };

  struct no_lock {};
  result<no_lock> lock(std::string const&) { return no_lock(); }
  result<replacement> create(std::string const& path) {
    if (fails()) return fail(errc::io, path, ": no space left");
    to->events.push_back({recorder::event::create, to->files, path + ".tmp0", {}, {}});
    return replacement{*this, path, to->files++};
  }
  result<source> open(std::string const& path) {
    auto const now = to->after(to->events.size(), 0, nullptr);
    auto const found = now.find(path);
    if (found == now.end()) return fail(errc::missing, path, ": no such file");
    return source{found->second};
  }
  result<appender> append(std::string const& path) { return appender{*this, path}; }
};

using contents = std::map<std::uint64_t, std::vector<float>>; // of an index

template <class Index> bool holds(Index const& index, contents const& expected, std::size_t d) {
  if (index.size() != expected.size()) return false;
  std::vector<float> x(d);
  for (auto const& [key, vector] : expected)
    if (!index.read(key, x) || x != vector) return false;
  return true;
}

// A program that changes an index, and after each change what the index holds and which event was the last.
template <class Index> struct history {
  recorder disk;
  std::size_t d = 3;
  struct moment {
    std::size_t events; // that had happened when it was acknowledged
    contents holds;
    bool on_disk; // whether it was promised to survive a power cut
  };
  std::vector<moment> moments{{0, {}, true}};

  void run(log_sync sync, std::size_t changes, std::uint64_t seed) {
    bool const always = sync == log_sync::always;
    random_numbers random{seed};
    auto index =
        durable<Index, recorded_files>::open("it", Index{{.dimensions = d, .m = 4}}, {.sync = sync}, {&disk}).value();
    contents now;
    auto const vector = [&] {
      std::vector<float> x(d);
      for (float& v : x) v = static_cast<float>(random() % 1000) + 1;
      return x;
    };
    auto const done = [&](bool on_disk) { moments.push_back({disk.events.size(), now, on_disk}); };
    done(true);
    for (std::size_t i = 0; i < changes; ++i) {
      std::uint64_t const key = random() % 24;
      auto const x = vector();
      switch (random() % 10) {
      case 0:
        if (i % 3 == 0) {
          REQUIRE(index.save());
          done(true);
        }
        break;
      case 1: {
        std::vector<std::uint64_t> keys;
        std::vector<float> rows;
        for (std::uint64_t k = 100 + i * 4; k < 103 + i * 4; ++k) {
          auto const row = vector();
          keys.push_back(k), rows.insert(rows.end(), row.begin(), row.end());
          now[k] = row;
        }
        REQUIRE(index.insert(keys, rows, pool(1)));
        done(always);
        break;
      }
      case 2:
      case 3:
        CHECK(index.erase(key).value() == now.contains(key));
        now.erase(key), done(always);
        break;
      case 4:
        REQUIRE(index.update(key, x));
        now[key] = x, done(always);
        break;
      case 5:
        REQUIRE(index.sync());
        done(true);
        break;
      default:
        CHECK(index.insert(key, x).has_value() == !now.contains(key));
        if (now.try_emplace(key, x).second) done(always);
      }
    }
    CHECK(holds(index.index(), now, d));
  }

  // Opens what a crash left. It must hold what was acknowledged, and at most what was under way besides.
  bool survives(std::size_t whole, std::size_t part, random_numbers* fate, bool goes_on) const {
    recorder after;
    after.start = disk.after(whole, part, fate);
    auto index = durable<Index, recorded_files>::open("it", Index{{.dimensions = d, .m = 4}}, {}, {&after});
    if (!index) return false;
    std::size_t last = 0, safe = 0;
    for (std::size_t i = 0; i < moments.size() && moments[i].events <= whole; ++i) {
      last = i;
      if (fate == nullptr || moments[i].on_disk) safe = i;
    }
    bool found = false;
    for (std::size_t i = safe; i <= std::min(last + 1, moments.size() - 1) && !found; ++i)
      found = holds(index->index(), moments[i].holds, d);
    if (!found || !goes_on) return found;
    // and it goes on from there
    auto const size = index->index().size();
    float const x[]{1, 2, 3};
    if (!index->insert(9999, x)) return false;
    recorder again;
    again.start = after.after(after.events.size(), 0, nullptr);
    auto const reopened = durable<Index, recorded_files>::open("it", Index{{.dimensions = d, .m = 4}}, {}, {&again});
    return reopened && reopened->index().size() == size + 1;
  }
};

struct kill_points {
  std::size_t appending = 0, saving = 0;
};
// At each point the process ends, and the power is cut, with one fate of what was not on the disk.
template <class Index>
void kill_everywhere(log_sync sync, std::size_t changes, std::uint64_t seed, kill_points& points) {
  history<Index> h;
  h.run(sync, changes, seed);
  random_numbers fate{seed + 1};
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < h.disk.events.size(); ++i) {
    auto const& e = h.disk.events[i];
    bool const appends = e.file == recorder::appended;
    // each byte of the log; of the index's file, which has no name yet, some
    for (std::size_t part = 0; part == 0 || part < e.bytes.size(); part += appends ? 1 : 4) {
      auto& n = appends ? points.appending : points.saving;
      wrong += !h.survives(i, part, nullptr, n % 10 == 0);
      wrong += !h.survives(i, part, &fate, n % 10 == 5);
      ++n;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("nothing acknowledged is lost, wherever a crash happens while saving and appending") {
  kill_points points;
  kill_everywhere<hnsw<l2>>(log_sync::always, 115, 1, points);
  kill_everywhere<hnsw<l2>>(log_sync::on_demand, 90, 2, points);
  CAPTURE(points.appending);
  CAPTURE(points.saving);
  CHECK(points.appending >= 8000);
  CHECK(points.saving >= 3000);
  CHECK(points.appending + points.saving >= 10000);
}

TEST_CASE("a disk that fails at any moment loses nothing acknowledged, and saving repairs the log") {
  for (std::size_t fails_at = 1; fails_at < 60; ++fails_at) {
    recorder disk;
    std::size_t left = fails_at;
    float const x[]{1, 2, 3};
    std::vector<std::uint64_t> acknowledged;
    auto index = durable<hnsw<l2>, recorded_files>::open("it", hnsw<l2>{{.dimensions = 3}}, {}, {&disk, &left});
    if (!index) continue; // it failed at once
    for (std::uint64_t key = 0; key < 12; ++key)
      if (index->insert(key, x)) acknowledged.push_back(key);
    recorder after;
    after.start = disk.after(disk.events.size(), 0, nullptr);
    auto const reopened = durable<hnsw<l2>, recorded_files>::open("it", hnsw<l2>{{.dimensions = 3}}, {}, {&after});
    REQUIRE(reopened);
    for (auto key : acknowledged) CHECK(reopened->index().contains(key));
    left = 1000;
    if (acknowledged.size() < 12) {
      CHECK(index->insert(50, x).error().code() == errc::io); // the log may have half a frame
      REQUIRE(index->save());
    }
    REQUIRE(index->insert(60, x));
    recorder later;
    later.start = disk.after(disk.events.size(), 0, nullptr);
    auto const last = durable<hnsw<l2>, recorded_files>::open("it", hnsw<l2>{{.dimensions = 3}}, {}, {&later});
    REQUIRE(last);
    CHECK((last->index().contains(60) && last->index().size() == index->index().size()));
  }
}

TEST_CASE("a durable index on the disk: created, changed, saved, opened again") {
  test::temporary_folder const folder;
  auto const path = folder / "notes.index";
  using index_type = hnsw<cosine, sq8, rerank<f32>>;
  auto const open = [&] { return durable<index_type>::open(path, index_type{{.dimensions = 4, .seed = 9}}); };
  std::vector<float> rows;
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < 200; ++i) {
    keys.push_back(i);
    for (std::size_t e = 0; e < 4; ++e) rows.push_back(static_cast<float>((i * 7 + e * e * 13) % 31) + 1);
  }
  auto const row = [&](std::size_t i) { return std::span(rows).subspan(i * 4, 4); };
  std::vector<hit> before(10), after(10);
  {
    auto index = open().value();
    REQUIRE(index.train(rows));
    REQUIRE(index.insert(std::span(keys).first(150), std::span(rows).first(600), pool(2)));
    REQUIRE(index.save());
    REQUIRE(index.insert(std::span(keys).subspan(150), std::span(rows).subspan(600), pool(2)));
    for (std::uint64_t key = 0; key < 60; ++key) REQUIRE(index.erase(key).value());
    CHECK(!index.erase(7).value());
    REQUIRE(index.insert(1000, row(7)));
    REQUIRE(index.update(1000, row(8)));
    CHECK(index.insert(1000, row(8)).error().code() == errc::argument);
    REQUIRE(index.index().search(row(8), before).value() == 10);
  }
  {
    auto index = open().value();
    CHECK((index.recovered().replayed == 112 && index.recovered().cut == 0));
    CHECK(index.index().size() == 141);
    CHECK(index.index().options().seed == 9);
    REQUIRE(index.index().search(row(8), after).value() == 10);
    CHECK(before == after); // the very same index
    REQUIRE(index.save());
  }
  CHECK(folder.files() == 2);
  CHECK(open().value().recovered().replayed == 0);
  CHECK(durable<index_type>::open(path, index_type{{.dimensions = 5}}).error().code() == errc::mismatch);
  CHECK(durable<hnsw<l2>>::open(path, hnsw<l2>{{.dimensions = 4}}).error().code() == errc::mismatch);
  std::filesystem::remove(path);
  CHECK(open().error().message().find("a log beside it") != std::string_view::npos);
}

// whose log says that it is longer than any memory
struct endless_log : recorded_files {
  struct source : recorded_files::source {
    bool endless;
    std::uint64_t size() const { return endless ? std::uint64_t{1} << 50 : bytes.size(); }
  };
  result<source> open(std::string const& path) {
    auto file = recorded_files::open(path);
    if (!file) return file.error();
    return source{std::move(*file), path == "it.log"};
  }
};
TEST_CASE("a log that is larger than any memory is an error") {
  recorder disk;
  REQUIRE(durable<flat<l2>, recorded_files>::open("it", flat<l2>{{.dimensions = 2}}, {}, {&disk}));
  auto const index = durable<flat<l2>, endless_log>::open("it", flat<l2>{{.dimensions = 2}}, {}, {{&disk}});
  REQUIRE(!index);
  CHECK(index.error().code() == errc::capacity);
  CHECK(index.error().message().find("it.log: the system has no") != std::string_view::npos);
}

TEST_CASE("a durable index is open once at a time") {
  test::temporary_folder const folder;
  auto const path = folder / "it";
  auto const open = [&] { return durable<hnsw<l2>>::open(path, hnsw<l2>{{.dimensions = 2}}); };
  float const x[]{1, 2};
  {
    auto first = open().value();
    REQUIRE(first.insert(1, x));
    auto const second = open();
    REQUIRE(!second);
    CHECK(second.error().code() == errc::io);
    CHECK(second.error().message().find("it.lock: in use") != std::string_view::npos);
    REQUIRE(first.save());
    CHECK(!open()); // with new files as well
    auto moved = std::move(first);
    CHECK(!open());
    REQUIRE(moved.insert(2, x));
    CHECK(load_index<hnsw<l2>>(path).value().size() == 1); // who only reads needs no lock
  }
  CHECK(folder.files() == 2);
  CHECK(open().value().index().size() == 2);
#if defined(__unix__) || defined(__APPLE__)
  int ends[2]{};
  REQUIRE(::pipe(ends) == 0);
  auto const child = ::fork();
  if (child == 0) { // another process, which is killed
    auto index = open();
    char const done = index && index->insert(3, x) ? 'y' : 'n';
    (void)!::write(ends[1], &done, 1);
    ::pause();
    std::_Exit(1);
  }
  ::close(ends[1]);
  char done = 'n';
  CHECK(::read(ends[0], &done, 1) == 1);
  CHECK(done == 'y');
  CHECK(!open());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  CHECK(folder.files() == 3);
  CHECK(open().value().index().size() == 3);
  CHECK(folder.files() == 2);
#endif
}

TEST_CASE("a flat index is durable as well") {
  test::temporary_folder const folder;
  float const x[]{1, 2};
  {
    auto index = durable<flat<l2>>::open(folder / "it", flat<l2>{{.dimensions = 2}}).value();
    for (std::uint64_t key = 0; key < 20; ++key) REQUIRE(index.insert(key, x));
    REQUIRE(index.erase(3).value());
  }
  CHECK(durable<flat<l2>>::open(folder / "it", flat<l2>()).value().index().size() == 19);
}

TEST_CASE("a damaged log is told from one that was cut off") {
  test::temporary_folder const folder;
  auto const path = folder / "it";
  float const x[]{1, 2, 3};
  auto const open = [&](bool accept_loss = false) {
    return durable<hnsw<l2>>::open(path, hnsw<l2>{{.dimensions = 3}}, {.accept_loss = accept_loss});
  };
  {
    auto index = open().value();
    for (std::uint64_t key = 0; key < 10; ++key) REQUIRE(index.insert(key, x));
  }
  auto const log = test::read(path + ".log");
  std::size_t const frame = 48 + 16 + 12;
  REQUIRE(log.size() == 64 + 10 * frame);
  for (std::size_t at = 0; at < log.size(); ++at) { // every byte
    auto bad = log;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    folder.put("it.log", bad);
    auto const index = open();
    bool const last = at >= log.size() - frame;
    CHECK(index.has_value() == last);
    if (last) {
      CHECK((index->index().size() == 9 && index->recovered().cut == frame));
    } else {
      CHECK(index.error().message().find("it.log: ") != std::string_view::npos);
    }
  }
  auto bad = log;
  bad[64 + 4 * frame + 60] ^= 1;
  folder.put("it.log", bad);
  CHECK(open().error().message().find("the frame at byte 368 (change 5) is damaged") != std::string_view::npos);
  CHECK(open(true).value().index().size() == 4);
  CHECK(open().value().recovered().cut == 0);     // that was cut away
  for (std::size_t n = 64; n < log.size(); ++n) { // every length
    folder.put("it.log", log.substr(0, n));
    auto const index = open().value();
    CHECK(index.index().size() == (n - 64) / frame);
    CHECK(index.recovered().cut == (n - 64) % frame);
  }
  // hostile logs
  random_numbers random;
  std::vector<std::byte> bytes(log.size());
  for (int round = 0; round < 3000; ++round) {
    std::transform(log.begin(), log.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
    for (auto n = random() % 3 + 1; n-- > 0;)
      bytes[random() % (round % 2 != 0 ? 160 : bytes.size())] = static_cast<std::byte>(random());
    for (std::size_t at = 64; at < bytes.size(); at += frame) { // with right checksums
      auto const first = load_little<std::uint64_t>(bytes.data() + at + 8),
                 size = load_little<std::uint64_t>(bytes.data() + at + 24);
      if (size > bytes.size() - at - 48) continue;
      auto sum = checksum(std::span(bytes).subspan(at + 48, size), first);
      std::memcpy(bytes.data() + at + 32, &sum, 8);
      sum = checksum(std::span(bytes).subspan(at, 40));
      std::memcpy(bytes.data() + at + 40, &sum, 8);
    }
    auto const sum = checksum(std::span(bytes).first(64).subspan(16));
    std::memcpy(bytes.data() + 8, &sum, 8);
    std::size_t changes = 0;
    auto const read = detail::replay_log(bytes, 3, 0, false, [&](std::span<index_change const> c) {
      changes += c.size();
      return result<void>();
    });
    CHECK(changes <= 10);
    if (read) CHECK(read->report.replayed == changes);
  }
}

} // namespace index_log_test
