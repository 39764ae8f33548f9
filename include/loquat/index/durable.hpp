#pragma once
/// \file
/// An index whose changes survive a crash: each is in a log beside the index's file when it is acknowledged, and `save`
/// puts all of them into the file and begins the log anew.
///
///     auto notes = durable<hnsw<cosine>>::open("notes.index", hnsw<cosine>{{.dimensions = 384}}).value();
///     notes.insert(7, vector).value(); // on the disk
///     notes.index().search(query, found);

#include <loquat/core/result.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/log.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/io/file_handle.hpp>
#include <loquat/io/file_lock.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/parallel/gate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loquat {

/// When a change is safe.
enum class log_sync : unsigned char {
  always,   ///< when it is acknowledged, even from a power cut; many at once (`insert` of rows) cost one wait for the
            ///< disk
  on_demand ///< from the end of the process when it is acknowledged; from a power cut after `sync` or `save`
};

/// How a `durable` index is opened.
struct durable_options {
  log_sync sync = log_sync::always;
  bool accept_loss = false; ///< whether to open without the changes from a damaged place of the log on
};

namespace detail {

/// The files of the system, as `durable` uses them. Tests have others, which crash.
struct system_files {
  /// What writes behind a file's end.
  class appender {
   public:
    appender(file_handle handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}
    result<void> write(std::span<std::byte const> bytes) { return handle_.write(path_, bytes); }
    result<void> sync() { return handle_.sync(path_); }

   private:
    file_handle handle_;
    std::string path_;
  };

  result<file_lock> lock(std::string const& path) { return file_lock::take(path); }
  result<atomic_file> create(std::string const& path) { return atomic_file::create(path); }
  result<file_source> open(std::string const& path) { return file_source::open(path); }
  result<appender> append(std::string const& path) {
    auto handle = file_handle::append(path);
    if (!handle) return handle.error();
    return appender(std::move(*handle), path);
  }
};

} // namespace detail

/// A `flat` or `hnsw` index with a file and a log beside it, "<path>.log". Any number of threads may search `index()`
/// and change it through this at the same time; changes wait for each other. One object at a time, in one process, has
/// the lock that its files need, "<path>.lock".
///
/// Searches may find a change a moment before it is safe. When the log cannot be written (the disk is full), the change
/// that met it is in the index but not safe, and further ones are refused until a `save` succeeds.
template <class Index, class Files = detail::system_files> class durable {
 public:
  /// Opens the index at `path` (UTF-8) and applies the changes in its log; without a file, `empty` becomes one, with
  /// its options. Errors: as of `load_index`; `errc::io` if it is open already, here or in another process;
  /// `errc::malformed` for a log with damage before its end (see `accept_loss`); `errc::mismatch` for a log of another
  /// index.
  static result<durable> open(std::string path, Index empty, durable_options options = {}, Files files = {}) {
    durable out(std::move(path), std::move(empty), options, std::move(files));
    auto lock = out.files_.lock(out.path_ + ".lock");
    if (!lock) return lock.error();
    out.lock_.emplace(std::move(*lock));
    auto done = out.recover();
    if (!done) return done.error();
    return out;
  }

  Index const& index() const noexcept { return index_; }           ///< to search
  log_report const& recovered() const noexcept { return report_; } ///< what `open` found in the log

  /// Adds a vector, as `Index::insert` does.
  result<void> insert(std::uint64_t key, std::span<float const> x) {
    return change({change_kind::insert, key, x}, [&] { return index_.insert(key, x); });
  }
  /// Adds a vector in place of those the key had.
  result<void> update(std::uint64_t key, std::span<float const> x) requires requires(Index& i) { i.update(key, x); }
  {
    return change({change_kind::update, key, x}, [&] { return index_.update(key, x); });
  }
  /// Adds many vectors. After a crash meanwhile, those of the beginning may be there.
  template <Executor E>
  result<void> insert(std::span<std::uint64_t const> keys, std::span<float const> rows, E const& threads) requires
      requires(Index& i) {
    i.insert(keys, rows, threads);
  }
  {
    turn const mine(changes_);
    if (!usable_) return usable_;
    if (auto done = index_.insert(keys, rows, threads); !done) return done;
    std::size_t const d = index_.dimensions();
    for (std::size_t first = 0; first < keys.size(); first += most_in_frame) {
      detail::frame_writer frame;
      for (std::size_t i = first; i < std::min(keys.size(), first + most_in_frame); ++i)
        frame.add({change_kind::insert, keys[i], rows.subspan(i * d, d)});
      if (auto done = write(frame); !done) return done;
    }
    return acknowledge();
  }
  /// Takes the vectors of a key out; false if there are none.
  result<bool> erase(std::uint64_t key) {
    bool erased = false;
    auto done = change({change_kind::erase, key, {}}, [&]() -> result<void> {
      erased = index_.erase(key);
      if (!erased) return fail(errc::missing, "");
      return {};
    });
    if (!done && (erased || done.error().code() != errc::missing)) return done.error();
    return erased;
  }
  /// Learns what the codec needs, before the first vector, and saves it.
  result<void> train(std::span<float const> rows) {
    {
      turn const mine(changes_);
      if (auto done = index_.train(rows); !done) return done;
    }
    return save();
  }

  /// Waits until all changes so far are on the disk.
  result<void> sync() {
    turn const mine(changes_);
    return usable_ ? synced() : usable_;
  }
  /// Writes the index's file anew, with all changes, and begins the log anew. The former file and log stay whole until
  /// then.
  result<void> save() {
    turn const mine(changes_);
    auto file = files_.create(path_);
    if (!file) return file.error();
    auto done =
        detail::emit_index(index_, sequence_, [&](std::span<std::byte const> bytes) { return file->write(bytes); });
    if (!done) return done.error().within(path_);
    if (done = file->commit(); !done) return done;
    return begin_log(detail::log_header(index_.dimensions(), sequence_));
  }

 private:
  static constexpr std::size_t most_in_frame = 4096;
  using appender = std::remove_cvref_t<decltype(*std::declval<Files&>().append(std::string()))>;
  using lock_type = std::remove_cvref_t<decltype(*std::declval<Files&>().lock(std::string()))>;

  durable(std::string path, Index index, durable_options options, Files files)
      : index_(std::move(index)), files_(std::move(files)), path_(std::move(path)), options_(options) {}

  std::string log_path() const { return path_ + ".log"; }

  result<void> recover() {
    auto file = files_.open(path_);
    auto log = files_.open(log_path());
    if (!log && log.error().code() != errc::missing) return log.error();
    if (!file && file.error().code() == errc::missing) {
      // the file comes before its log, so a log without a file is not of a crash
      if (log) return fail(errc::missing, path_, ": there is no such file, but a log beside it, ", log_path());
      return save();
    }
    if (!file) return file.error();
    index_info info;
    auto loaded = detail::read_index<Index>(*file, &info);
    if (!loaded) return loaded.error().within(path_);
    if (index_.dimensions() != 0 && index_.dimensions() != loaded->dimensions())
      return fail(errc::mismatch, path_, ": vectors of the file have ", loaded->dimensions(), " elements, expected ",
                  index_.dimensions());
    index_ = std::move(*loaded);
    sequence_ = durable_ = info.sequence;
    if (!log) return begin_log(detail::log_header(index_.dimensions(), sequence_));

    if (auto room = detail::check_memory(log->size()); !room) return room.error().within(log_path());
    std::vector<std::byte> bytes(static_cast<std::size_t>(log->size()));
    if (auto done = log->read(bytes); !done) return done;
    auto const replayed = detail::replay_log(bytes, index_.dimensions(), sequence_, options_.accept_loss,
                                             [&](std::span<index_change const> changes) { return apply(changes); });
    if (!replayed) return replayed.error().within(log_path());
    report_ = replayed->report;
    // an index's file may have been safe before the last frames of its log
    if (replayed->sequence < sequence_) return begin_log(detail::log_header(index_.dimensions(), sequence_));
    sequence_ = replayed->sequence;
    if (report_.cut != 0) return begin_log(std::span(bytes).first(replayed->good));
    auto opened = files_.append(log_path());
    if (!opened) return opened.error();
    log_.clear();
    log_.push_back(std::move(*opened));
    return synced();
  }

  // As they were made: many at once, or one by one.
  result<void> apply(std::span<index_change const> changes) {
    if constexpr (requires {
                    index_.insert(std::span<std::uint64_t const>(), std::span<float const>(), detail::calling_thread());
                  })
      if (changes.size() > 1) {
        std::vector<std::uint64_t> keys;
        std::vector<float> rows;
        for (auto const& c : changes) {
          if (c.kind != change_kind::insert)
            return fail(errc::malformed, "a change among many that is not an insertion");
          keys.push_back(c.key);
          rows.insert(rows.end(), c.vector.begin(), c.vector.end());
        }
        return index_.insert(keys, rows, detail::calling_thread());
      }
    for (auto const& c : changes) {
      if (c.kind == change_kind::erase) {
        index_.erase(c.key);
      } else if (c.kind == change_kind::insert) {
        if (auto done = index_.insert(c.key, c.vector); !done) return done;
      } else {
        if constexpr (requires { index_.update(c.key, c.vector); }) {
          if (auto done = index_.update(c.key, c.vector); !done) return done;
        } else {
          return fail(errc::malformed, "an update, which this type of index does not have");
        }
      }
    }
    return {};
  }

  // Puts a log in place of the former, and goes on behind it.
  result<void> begin_log(std::span<std::byte const> bytes) {
    auto file = files_.create(log_path());
    if (!file) return file.error();
    if (auto done = file->write(bytes); !done) return done;
    log_.clear(); // Windows replaces no open file; without a log, changes are refused
    usable_ = fail(errc::io, log_path(), ": cannot be put in place");
    if (auto done = file->commit(); !done) return usable_ = done.error();
    auto opened = files_.append(log_path());
    if (!opened) return usable_ = opened.error();
    log_.push_back(std::move(*opened));
    usable_ = {};
    durable_ = sequence_;
    return {};
  }

  template <class Apply> result<void> change(index_change const& c, Apply apply) {
    turn const mine(changes_);
    if (!usable_) return usable_;
    if (auto done = apply(); !done) return done;
    detail::frame_writer frame;
    frame.add(c);
    if (auto done = write(frame); !done) return done;
    return acknowledge();
  }
  // The number is used even if it fails: then nobody knows whether the frame is in the file.
  result<void> write(detail::frame_writer const& frame) {
    auto const bytes = frame.finish(sequence_ + 1, durable_);
    sequence_ += frame.changes();
    if (auto done = log_.front().write(bytes); !done) usable_ = done.error();
    return usable_;
  }
  result<void> acknowledge() { return options_.sync == log_sync::always ? synced() : result<void>(); }
  result<void> synced() {
    if (auto done = log_.front().sync(); !done) return usable_ = done.error();
    durable_ = sequence_;
    return {};
  }

  Index index_;
  Files files_;
  std::string path_;
  durable_options options_;
  log_report report_;
  std::optional<lock_type> lock_;
  std::vector<appender> log_;                // the one that is open, if any
  std::uint64_t sequence_ = 0, durable_ = 0; // the last change, and the last that is on the disk
  result<void> usable_;                      // or what happened to the log
  turnstile changes_;
};

} // namespace loquat
