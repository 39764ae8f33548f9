// Encoding and decoding with a tokenizer of any kind: bytes and tokens per second, beside other tokenizers.
#include "arguments.hpp"
#include "timing.hpp"

#include <loquat/parallel/pool.hpp>
#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/load.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bench::median;
using bench::seconds;

constexpr char usage[] = R"(usage: bench_tokenizer SOURCE TEXT [--document BYTES] [--repeat N] [--peer NAME COMMAND]…

Cuts the file TEXT into documents of BYTES (default 4096) and encodes them one by one with the tokenizer of SOURCE (any
file that `loquat tokenize` takes). Medians of N rounds (default 5), on one thread unless said otherwise:
  warm       the same workspace again, which knows the words
  cold       a new workspace for all documents
  offsets    with the place of every token
  count      without storing ids
  decode     ids to text, in bytes of text
  2 threads  encode_batch
  hostile    a megabyte of one letter; of random letters; warm
--peer measures another tokenizer in every round: COMMAND TEXT BYTES must encode the documents in the same way, print MB
(10^6 bytes) per second as its first number, and may print the number of tokens as the second, to be compared.
Run it on one pinned core (taskset) for figures of one thread.
)";

struct peer {
  std::string name, command;
  std::vector<double> rates;
  std::size_t tokens = 0;
};

std::string read(char const* path) {
  auto const file = bench::must(loquat::mapped_file::open(path));
  std::vector<char> copy;
  return std::string(loquat::as_text(file.bytes(), copy));
}

std::vector<std::string_view> cut(std::string_view text, std::size_t size) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(text.size(), at + size);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) ++end;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

/// Runs a peer once; 0 if it prints no number.
void run(peer& p, std::string const& text, std::size_t document) {
  auto* const pipe = ::popen((p.command + " " + text + " " + std::to_string(document)).c_str(), "r");
  char answer[256]{};
  if (pipe && !std::fgets(answer, sizeof answer, pipe)) answer[0] = '\0';
  if (pipe) ::pclose(pipe);
  char* rest = nullptr;
  p.rates.push_back(std::strtod(answer + std::strcspn(answer, "0123456789"), &rest));
  if (*rest != '\0') p.tokens = std::strtoull(rest + std::strcspn(rest, "0123456789"), nullptr, 10);
}

} // namespace

int main(int argc, char** argv) {
  std::vector<char const*> names;
  std::size_t document = 4096, repeat = 5;
  std::vector<peer> peers;
  for (bench::arguments args({"bench_tokenizer", usage}, argc, argv); args.next();) {
    if (args.is("--document"))
      document = args.number();
    else if (args.is("--repeat"))
      repeat = args.number();
    else if (args.is("--peer")) {
      std::string const name = args.value();
      peers.push_back({name, args.value(), {}, 0});
    } else
      names.push_back(args.name());
  }
  if (names.size() != 2) bench::fail("expected SOURCE and TEXT");

  std::optional<loquat::tokenizer> made;
  std::vector<double> loads;
  for (std::size_t i = 0; i < repeat; ++i)
    loads.push_back(seconds([&] { made.emplace(bench::must(loquat::tokenizer_from(std::string(names[0])))); }));
  auto const& tok = *made;
  std::string const text = read(names[1]);
  auto const documents = cut(text, document);
  constexpr loquat::encode_options plain{.add_special = false};

  loquat::tokenizer::workspace warm;
  std::vector<std::vector<loquat::token>> ids;
  std::size_t tokens = 0;
  for (auto const d : documents) {
    auto const found = tok.encode(d, warm, plain);
    ids.emplace_back(found.begin(), found.end());
    tokens += found.size();
  }
  std::string const same(1'000'000, 'a');
  std::string letters(1'000'000, 'a');
  std::uint32_t state = 1;
  for (char& c : letters) c = static_cast<char>('a' + (state = state * 1664525u + 1013904223u) % 26);

  struct row {
    char const* name;
    std::vector<double> seconds{};
  };
  row rows[]{{"warm"},           {"cold"}, {"offsets"}, {"count"}, {"decode"}, {"2 threads"}, {"hostile: one letter"},
             {"hostile: random"}};
  std::size_t sink = 0, decoded = 0;
  loquat::pool const workers(2);
  loquat::token_decoder::workspace decoding;
  for (std::size_t round = 0; round < repeat; ++round) {
    auto const encode_all = [&](loquat::tokenizer::workspace& room, loquat::offset_rule rule) {
      for (auto const d : documents) sink += tok.encode(d, room, plain, rule).size();
    };
    auto const note = [&](std::size_t i, auto const& f) { rows[i].seconds.push_back(seconds(f)); };
    note(0, [&] { encode_all(warm, loquat::offset_rule::none); });
    for (auto& p : peers) run(p, names[1], document);
    note(1, [&] {
      loquat::tokenizer::workspace cold;
      encode_all(cold, loquat::offset_rule::none);
    });
    note(2, [&] { encode_all(warm, loquat::offset_rule::characters); });
    note(3, [&] {
      for (auto const d : documents) sink += tok.count(d, warm, plain);
    });
    note(4, [&] {
      std::string out;
      decoded = 0;
      for (auto const& list : ids) {
        out.clear();
        tok.decode(list, out, decoding, {});
        decoded += out.size();
      }
    });
    note(5, [&] { sink += loquat::encode_batch(tok, documents, workers, plain).size(); });
    note(6, [&] { sink += tok.encode(same, warm, plain).size(); });
    note(7, [&] { sink += tok.encode(letters, warm, plain).size(); });
  }

  std::printf("%s: %zu tokens, loaded in %.1f ms\n%s: %.1f MB, %zu documents, %.2f bytes per token (%zu)\n\n", names[0],
              tok.size(), 1e3 * median(loads), names[1], static_cast<double>(text.size()) / 1e6, documents.size(),
              static_cast<double>(text.size()) / static_cast<double>(tokens), sink % 10);
  std::printf("%-22s %10s %14s\n", "", "MB/s", "M tokens/s");
  double const ours = static_cast<double>(text.size()) / 1e6 / median(rows[0].seconds);
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    double const time = median(rows[i].seconds);
    if (i >= 6) {
      std::printf("%-22s %10.1f %14s  %.1f ms\n", rows[i].name, 1 / time, "", 1e3 * time);
      continue;
    }
    double const bytes = static_cast<double>(i == 4 ? decoded : text.size());
    std::printf("%-22s %10.1f %14.2f\n", rows[i].name, bytes / 1e6 / time, static_cast<double>(tokens) / 1e6 / time);
  }
  for (auto const& p : peers) {
    double const rate = median(p.rates);
    std::printf("%-22s %10.1f %14s  warm is %.2f times as fast%s\n", p.name.c_str(), rate, "", ours / rate,
                p.tokens != 0 && p.tokens != tokens ? ", with OTHER tokens" : "");
  }
}
