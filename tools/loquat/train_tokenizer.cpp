/// \file
/// `loquat train-tokenizer`: texts to a tokenizer.json.

#include "commands.hpp"
#include "system.hpp"

#include <loquat/io/atomic_file.hpp>
#include <loquat/tokenizer/sources/save_json.hpp>
#include <loquat/tokenizer/sources/tiktoken.hpp>
#include <loquat/tokenizer/train/bpe.hpp>
#include <loquat/tokenizer/train/scored_bpe.hpp>
#include <loquat/tokenizer/train/unigram.hpp>
#include <loquat/tokenizer/train/wordpiece.hpp>

#include <cerrno>
#include <cstring>
#include <memory>

namespace tool {
namespace {

using namespace loquat;

constexpr std::string_view notes = R"(Texts are UTF-8, and every line is one. The models:
  bpe                bytes that merge, as in GPT-2 and most models since; texts
                     are split by --pattern: gpt2, cl100k (GPT-4, Llama 3), qwen2,
                     o200k (GPT-4o) or a regular expression
  wordpiece          as in BERT; texts are split at spaces and punctuation
  unigram            SentencePiece's default, as in T5
  sentencepiece-bpe  SentencePiece's other one, as in Llama 1 and 2

examples:
  loquat train-tokenizer --vocabulary 32000 --special "<|end|>" --out tokenizer.json *.txt
  loquat train-tokenizer --model wordpiece --lowercase --out tokenizer.json text.txt
  zcat texts.gz | loquat train-tokenizer --model unigram --vocabulary 8000 -
)";

enum class model_kind { bpe, wordpiece, unigram, sentencepiece_bpe };
enum class normal_form { by_model, none, nfc, nfd, nfkc, nfkd, bert };

struct settings {
  model_kind model = model_kind::bpe;
  std::size_t vocabulary = 32'000, longest = 0;
  std::uint64_t min_count = 2;
  std::string_view pattern = "gpt2", output = "tokenizer.json", unknown;
  normal_form normal = normal_form::by_model;
  std::vector<std::string_view> special, files;
  double coverage = 0.9995;
  bool lowercase = false, byte_fallback = false;

  std::vector<option> table() {
    using enum model_kind;
    using form = normal_form;
    return {
        {"--model", "KIND", "the kind of the tokenizer",
         one_of(
             model,
             {{"bpe", bpe}, {"wordpiece", wordpiece}, {"unigram", unigram}, {"sentencepiece-bpe", sentencepiece_bpe}})},
        {"--vocabulary", "N", "tokens, special ones included",
         number(vocabulary, std::size_t{1}, std::size_t{1} << 21)},
        {"--out", "FILE", "the file to write", text(output, "tokenizer.json")},
        {"--pattern", "P", "bpe: how texts are split into words", text(pattern, "gpt2")},
        {"--normalize", "FORM", "what is done to texts first; else wordpiece: bert, unigram: nfkc",
         one_of(normal, {{"none", form::none},
                         {"nfc", form::nfc},
                         {"nfd", form::nfd},
                         {"nfkc", form::nfkc},
                         {"nfkd", form::nfkd},
                         {"bert", form::bert}})},
        {"--lowercase", "", "turn letters into small ones", flag(lowercase)},
        {"--special", "TOKEN", "a token that no text becomes; the first tokens", texts(special)},
        {"--min-count", "N", "bpe, wordpiece: of pairs that merge", number(min_count, std::uint64_t{0})},
        {"--longest", "N", "characters of a token, of bpe bytes; 0: as the model has it",
         number(longest, std::size_t{0}, std::size_t{64})},
        {"--coverage", "SHARE", "unigram, sentencepiece-bpe: of characters that get a token",
         number(coverage, 0.98, 1.0)},
        {"--byte-fallback", "", "unigram, sentencepiece-bpe: bytes for what has no token", flag(byte_fallback)}};
  }
  static setting text(std::string_view& to, std::string fallback) {
    return {[&to](std::string_view value) { return to = value, !value.empty(); },
            "a text that is not empty",
            {},
            std::move(fallback)};
  }
};

constexpr bool is_sentencepiece(model_kind kind) {
  return kind == model_kind::unigram || kind == model_kind::sentencepiece_bpe;
}

/// Special tokens of models that are not without.
void add_special(settings& s) {
  using enum model_kind;
  if (s.model == bpe) return;
  s.unknown = s.model == wordpiece ? "[UNK]" : "<unk>";
  std::vector<std::string_view> usual{"<unk>", "<s>", "</s>"};
  if (s.model == wordpiece) usual = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (auto const own : s.special)
    if (std::ranges::find(usual, own) == usual.end()) usual.push_back(own);
  s.special = std::move(usual);
}

/// All but the model.
tokenizer_definition pipeline(settings const& s) {
  using enum model_kind;
  tokenizer_definition d;
  auto const form = s.normal != normal_form::by_model ? s.normal
                    : s.model == wordpiece            ? normal_form::bert
                    : s.model == unigram              ? normal_form::nfkc
                                                      : normal_form::none;
  if (s.model == unigram && form == normal_form::nfkc) d.normalizers.push_back(normalize::nmt{});
  switch (form) {
  case normal_form::nfc:
    d.normalizers.push_back(normalize::nfc{});
    break;
  case normal_form::nfd:
    d.normalizers.push_back(normalize::nfd{});
    break;
  case normal_form::nfkc:
    d.normalizers.push_back(normalize::nfkc{});
    break;
  case normal_form::nfkd:
    d.normalizers.push_back(normalize::nfkd{});
    break;
  case normal_form::bert:
    d.normalizers.push_back(normalize::bert{.lowercase = s.lowercase});
    break;
  case normal_form::by_model:
  case normal_form::none:
    break;
  }
  if (s.lowercase && form != normal_form::bert) d.normalizers.push_back(normalize::lowercase{});
  switch (s.model) {
  case bpe: {
    bool const gpt2 = s.pattern == "gpt2";
    auto const known = s.pattern == "cl100k"  ? split_pattern::cl100k
                       : s.pattern == "qwen2" ? split_pattern::qwen2
                       : s.pattern == "o200k" ? split_pattern::o200k
                                              : s.pattern;
    if (!gpt2)
      d.pretokenizers.push_back(pretokenize::split{{owned_text(known), true}, pretokenize::behavior::isolated});
    d.pretokenizers.push_back(pretokenize::byte_level{.add_prefix_space = false, .use_regex = gpt2});
    d.decoders.push_back(decode_step::byte_level{});
    break;
  }
  case wordpiece:
    d.pretokenizers.push_back(pretokenize::bert{});
    d.decoders.push_back(decode_step::wordpiece{});
    break;
  case unigram:
  case sentencepiece_bpe:
    d.normalizers.push_back(normalize::strip{});
    d.normalizers.push_back(normalize::replace{{owned_text(" {2,}"), true}, owned_text(" ")});
    d.pretokenizers.push_back(pretokenize::metaspace{});
    d.decoders.push_back(decode_step::metaspace{});
    break;
  }
  return d;
}

/// One line on a terminal that tells how far the work is.
class progress_line {
 public:
  ~progress_line() {
    if (begun_) std::fputs("\r\033[K", stderr);
  }
  void show(std::string const& text) {
    if (!shown_ || (begun_ && clock_.seconds() < 0.1)) return;
    clock_ = stopwatch();
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    begun_ = true;
  }
  /// The observer of a training; Ctrl-C stops it.
  bool operator()(train_progress now) {
    bool const shrinks = now.stage == train_stage::expect;
    auto const of = std::to_string(now.done) + (shrinks ? " -> " : " of ") + std::to_string(now.total);
    show(now.stage == train_stage::seed ? "words: " + of : shrinks ? "pieces: " + of : "tokens: " + of);
    return !interrupt_wanted;
  }

 private:
  bool shown_ = is_terminal(stderr), begun_ = false;
  stopwatch clock_;
};

struct file_closer {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

/// Calls `f` with every line of a file, with what ends it. "-" is the standard input.
template <class F> result<void> each_line(std::string const& path, F f) {
  std::unique_ptr<std::FILE, file_closer> const file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  auto const name = path == "-" ? "standard input" : path;
  auto const error = [&] { return fail(errc::io, name, ": ", std::string_view(std::strerror(errno))); };
  if (!file) return error();
  std::string line;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (std::size_t const n = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    for (std::string_view rest(buffer.data(), n); !rest.empty();) {
      auto const end = rest.find('\n');
      auto const part = rest.substr(0, end == rest.npos ? end : end + 1);
      rest.remove_prefix(part.size());
      line += part;
      if (end == part.npos) break;
      f(line);
      line.clear();
    }
    if (interrupt_wanted) return fail(errc::cancelled, "interrupted");
  }
  if (std::ferror(file.get()) != 0) return error();
  if (!line.empty()) f(line);
  return {};
}

result<word_counts> count(settings const& s, tokenizer_definition how, std::uint64_t& bytes, progress_line& shows) {
  for (auto& step : how.pretokenizers) // whole lines show what stands beside a word
    if (auto* const m = step.get_if<pretokenize::metaspace>()) m->split = false;
  auto cutter = word_cutter::make(how);
  if (!cutter) return cutter.error();
  word_counts counts;
  for (auto const file : s.files) {
    auto const read = each_line(std::string(file), [&](std::string_view line) {
      bytes += line.size();
      shows.show("read: " + byte_text(static_cast<double>(bytes)));
      if (is_sentencepiece(s.model)) line = line.substr(0, line.find_last_not_of("\r\n") + 1);
      counts.add(line, *cutter);
    });
    if (!read) return read.error();
  }
  if (counts.size() == 0) return fail(errc::argument, "the texts have no words");
  return counts;
}

result<tokenizer_definition> train(settings const& s, word_counts const& counts, progress_line& shows) {
  auto const observer = [&shows](train_progress now) { return shows(now); };
  if (is_sentencepiece(s.model)) {
    sentencepiece_training how{.vocabulary = s.vocabulary,
                               .special = s.special,
                               .unknown = s.unknown,
                               .byte_fallback = s.byte_fallback,
                               .coverage = s.coverage};
    if (s.longest != 0) how.pieces.longest = s.longest;
    return s.model == model_kind::unigram ? train_unigram(counts, how, observer)
                                          : train_scored_bpe(counts, how, observer);
  }
  bpe_training how{.vocabulary = s.vocabulary,
                   .min_count = s.min_count,
                   .bytes = s.model == model_kind::bpe,
                   .special = s.special,
                   .unknown = s.unknown};
  if (s.longest != 0) how.longest_piece = s.longest;
  return s.model == model_kind::bpe ? train_bpe(counts, how, observer) : train_wordpiece(counts, how, observer);
}

result<void> write(settings const& s, tokenizer_definition definition) {
  std::vector<char> json;
  if (auto saved = save_json(std::move(definition), json); !saved) return saved.error();
  auto file = atomic_file::create(std::string(s.output));
  if (!file) return file.error();
  if (auto written = file->write(std::as_bytes(std::span(json))); !written) return written.error();
  return file->commit();
}

/// Puts the parts together that a trained model needs.
tokenizer_definition assemble(settings const& s, tokenizer_definition d, tokenizer_definition trained) {
  d.model = std::move(trained.model);
  d.added = std::move(trained.added);
  if (auto const* const m = d.model.get_if<token_model::wordpiece>())
    d.postprocessors.push_back(postprocess::bert(m->pieces.find("[CLS]"), m->pieces.find("[SEP]")));
  if (s.model == model_kind::sentencepiece_bpe) {
    d.normalizers.resize(d.normalizers.size() - 2); // strip, replace
    d.normalizers.push_back(normalize::sentencepiece{.remove_extra = false});
    d.pretokenizers.clear();
    d.decoders.clear();
  }
  return d;
}

std::size_t tokens_of(tokenizer_definition const& d) {
  return d.model.visit([](auto const& model) { return model.pieces.size(); });
}

result<void> run(settings const& s) {
  stopwatch const clock;
  std::uint64_t bytes = 0;
  auto const frame = pipeline(s);
  std::size_t words = 0, tokens = 0;
  {
    progress_line shows;
    auto const counts = count(s, frame, bytes, shows);
    if (!counts) return counts.error();
    words = counts->size();
    auto trained = train(s, *counts, shows);
    if (!trained) return trained.error();
    auto definition = assemble(s, frame, *std::move(trained));
    tokens = tokens_of(definition);
    if (auto written = write(s, std::move(definition)); !written) return written.error();
  }
  put(printable(s.output) + ": " + std::to_string(tokens) + " tokens of " + byte_text(static_cast<double>(bytes)) +
      ", " + std::to_string(words) + (is_sentencepiece(s.model) ? " different lines, " : " different words, ") +
      number_text("%.2f s\n", clock.seconds()));
  if (tokens < s.vocabulary) complain("note: the texts give no more than " + std::to_string(tokens) + " tokens");
  return {};
}

} // namespace

int run_train_tokenizer(command const& self, arguments all) {
  settings s;
  command_line line{self, {}, s.table(), notes};
  line.rest = {"FILE...", "text files; - for the standard input", &s.files};
  if (auto const status = line.parse(all)) return *status;
  add_special(s);
  catch_interrupt();
  auto const done = run(s);
  if (!done && done.error().code() == errc::cancelled) return complain("interrupted"), interrupted;
  if (!done) return fail_with(done.error().message());
  return end_output();
}

} // namespace tool
