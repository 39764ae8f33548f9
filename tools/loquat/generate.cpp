/// \file
/// `loquat generate`: goes on with a text.

#include "adapters.hpp"
#include "commands.hpp"
#include "long_context.hpp"
#include "machine.hpp"
#include "model_file.hpp"
#include "system.hpp"

#include <loquat/loquat.hpp>

#include <ranges>

namespace tool {
namespace {

using namespace loquat;

constexpr std::string_view notes = R"(Penalties, top-k, top-p, min-p and temperature apply in this order. Equal seeds
give equal texts on every machine. Nothing but the text goes to the standard
output; --logprobs, the summary and messages go to the standard error. Ctrl-C
ends the text and shows the summary.

examples:
  loquat generate model.gguf "Once upon a time"
  loquat generate model.gguf "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
  loquat generate model.gguf - --max-tokens 100 --quiet <prompt.txt >text.txt
  loquat generate model.gguf "Dear" --lora style.gguf:0.8 --lora facts.gguf
  loquat generate model.gguf "Q: Why?"$'\nA:' --stop $'\n' --stop "Q:"
  loquat generate model.gguf "Day 1" --context 2048 --context-shift rotate --max-tokens 100000
  loquat generate model.gguf - --context 16384 --rope-scaling yarn --rope-scale 4 <book.txt
)";

struct settings {
  std::string_view model, prompt;
  std::size_t max_tokens = 256;
  loquat::temperature temperature{0};
  loquat::top_k top_k{0};
  loquat::top_p top_p{1};
  loquat::min_p min_p{0};
  repetition_penalty repetition{1};
  frequency_penalty frequency;
  presence_penalty presence;
  std::size_t window = 64;
  std::uint64_t seed = 0;
  cpu_options cpu;
  session_options session{.batch = 128};
  full_context full;
  rope_override rope;
  i2_s_order ternary_order = i2_s_order::x86;
  std::vector<std::string_view> stops;
  std::vector<adapter_wish> lora;
  bool logprobs = false, special = false, echo = false, quiet = false, copy = false;

  std::vector<option> table() {
    std::vector<option> all{
        {"--max-tokens", "N", "most tokens to generate", number(max_tokens, std::size_t{0})},
        {"--temperature", "T", "0: always the most probable token", number(temperature.value, 0.0f, 100.0f)},
        {"--top-k", "K", "keep the K most probable tokens; 0: all", number(top_k.k, std::size_t{0})},
        {"--top-p", "P", "keep the fewest tokens with this probability together", number(top_p.p, 0.0f, 1.0f)},
        {"--min-p", "P", "keep tokens P times as probable as the best, or more", number(min_p.p, 0.0f, 1.0f)},
        {"--repetition-penalty", "P", "divide the logits of recent tokens", number(repetition.factor, 0.01f, 100.0f)},
        {"--frequency-penalty", "P", "lower them for each occurrence", number(frequency.amount, -100.0f, 100.0f)},
        {"--presence-penalty", "P", "lower them once", number(presence.amount, -100.0f, 100.0f)},
        {"--penalty-window", "N", "how many tokens are recent", number(window, std::size_t{0})},
        {"--seed", "S", "of the random choice", number(seed, std::uint64_t{0})},
        {"--stop", "TEXT", "end before this text", texts(stops)},
        {"--context", "N", "tokens in all; 0: as trained for, at most 4096", number(session.context, std::size_t{0})},
        {"--batch", "N", "prompt tokens of one pass; changes speed only", number(session.batch, std::size_t{1})},
        kv_option(session.kv),
        {"--lora", "FILE[:SCALE]", "a LoRA adapter of the model", adapters(lora)},
        threads_option(cpu),
        target_option(cpu),
        {"--i2s-order", "ORDER", "how matrices of I2_S were packed",
         one_of(ternary_order, {{"x86", i2_s_order::x86}, {"arm", i2_s_order::arm}, {"rows", i2_s_order::rows}})},
        {"--no-mmap", "", "read the model into memory instead of mapping it: slower to start, then faster", flag(copy)},
        {"--special", "", "read names of control tokens (<s>) in the prompt, and show such tokens", flag(special)},
        {"--echo", "", "write the prompt, too", flag(echo)},
        {"--logprobs", "", "list the tokens and the logarithms of their probabilities", flag(logprobs)},
        {"--quiet", "", "no summary and no progress", flag(quiet)}};
    std::ranges::copy(long_context_options(full, rope), std::back_inserter(all));
    return all;
  }
  auto sampler() {
    repetition.window = frequency.window = presence.window = window;
    return repetition | frequency | presence | top_k | top_p | min_p | temperature | draw{seed};
  }
  bool sampling_in_vain() const {
    return temperature.value == 0 && (top_k.k != 0 || top_p.p < 1 || min_p.p > 0 || seed != 0);
  }
};

/// What happened when, for the summary.
struct course {
  double prompt_seconds = 0, first_token_seconds = 0, seconds = 0;
  std::size_t prompt_tokens = 0; // that were fed
  generate_report report;
};

/// A token that was generated, for --logprobs.
struct choice {
  token id;
  float logprob;
};

/// Feeds the prompt in pieces, so that progress shows and Ctrl-C is heard.
template <class G> result<void> feed(G& from, std::span<token const> ids, settings const& s, course& c) {
  bool const may_show = !s.quiet && is_terminal(stderr);
  bool shown = false;
  stopwatch const clock;
  result<void> fed;
  while (fed && c.prompt_tokens < ids.size()) {
    fed = from.prompt(ids.subspan(c.prompt_tokens, std::min(s.session.batch, ids.size() - c.prompt_tokens)));
    if (fed) c.prompt_tokens += c.report.prompt_tokens;
    c.prompt_seconds = clock.seconds();
    if (may_show && c.prompt_seconds > 1) {
      std::fprintf(stderr, "\rprompt: %zu of %zu tokens", c.prompt_tokens, ids.size());
      shown = true;
    }
  }
  if (shown) std::fputs("\r\033[K", stderr); // clear the line
  return fed;
}

std::string why_it_ended(settings const& s, finish why) {
  switch (why) {
  case finish::none:
    return "a stop text";
  case finish::max_tokens:
    return std::to_string(s.max_tokens) + " tokens (--max-tokens)";
  case finish::end_token:
    return "the model's end token";
  case finish::context_full:
    return "the context is full (--context, --context-shift)";
  case finish::cancelled:
    return "interrupted";
  default:
    return std::string(name(why));
  }
}

/// The model's session and what it forgot so far, of a session that goes on without end or of one that does not.
template <class Session> auto& inner_of(Session& talk) {
  if constexpr (requires { talk.inner(); })
    return talk.inner();
  else
    return talk;
}
template <class Session> std::uint64_t forgotten_by(Session const& talk) {
  if constexpr (requires { talk.forgotten(); })
    return talk.forgotten();
  else
    return 0;
}

template <class Session> void summarise(settings const& s, course const& c, Session const& talk) {
  auto const rate = [](std::size_t n, double seconds) {
    return seconds > 0 && n > 0 ? number_text(", %.1f tokens/s", static_cast<double>(n) / seconds) : std::string();
  };
  std::uint64_t const forgotten = forgotten_by(talk);
  auto const passes = static_cast<std::size_t>(forgotten) + talk.tokens().size() -
                      c.prompt_tokens; // the first token came from the prompt's pass
  double const state = static_cast<double>(inner_of(talk).state_bytes());
  std::string out =
      "prompt     " + std::to_string(c.prompt_tokens) + " tokens" + rate(c.prompt_tokens, c.prompt_seconds) + "\n";
  out += "generated  " + std::to_string(c.report.generated_tokens) + " tokens" +
         rate(passes, c.seconds - c.prompt_seconds);
  if (c.first_token_seconds > 0) out += number_text(", the first after %.3f s", c.first_token_seconds);
  out += "\nmemory     " + byte_text(peak_memory_bytes()) + " at most, model included; session " +
         byte_text(static_cast<double>(talk.bytes())) + ", of which cache or state " + byte_text(state);
  if (forgotten > 0) out += "\nforgotten  " + std::to_string(forgotten) + " tokens (--context-shift)";
  out += "\nended by   " + why_it_ended(s, c.report.why) + "\n";
  std::fputs(out.c_str(), stderr);
}

template <class T> void list(T const& tokenizer, std::vector<choice> const& choices) {
  std::string out;
  for (auto const [id, logprob] : choices)
    out += right(std::to_string(id), 8) + number_text("  %9.4f  ", static_cast<double>(logprob)) +
           quoted(tokenizer.piece(id)) + "\n";
  std::fputs(out.c_str(), stderr);
}

/// Goes on with a prompt in a new session of the model.
template <class M, class T>
int go_on(settings& s, M const& model, T const& tokenizer, std::string const& prompt, std::vector<token> const& ids,
          std::vector<scaled_lora> const& adapters) {
  auto talk = model.make_session(s.session);
  if (!talk)
    return fail_with(std::string(talk.error().message()) +
                     (talk.error().code() == errc::capacity ? "; a smaller --context or --batch needs less" : ""));
  if (auto const taken = adapt(inner_of(*talk), adapters); !taken) return fail_with(taken.error().message());
  if (ids.size() > talk->context())
    return fail_with("the prompt has " + std::to_string(ids.size()) + " tokens, but the context holds " +
                     std::to_string(talk->context()) + ": try --context " +
                     std::to_string(ids.size() + std::min<std::size_t>(s.max_tokens, 4096)) +
                     ", or --context-shift rotate");
  if (s.sampling_in_vain() && !s.quiet) complain("--top-k, --top-p, --min-p and --seed do nothing at --temperature 0");

  catch_interrupt();
  course c;
  std::vector<float> logprobs(s.logprobs ? model.vocabulary() : 0);
  std::vector<choice> choices;
  generator from(model, *talk, s.sampler(),
                 {.max_tokens = s.max_tokens, .cancel = &interrupt_wanted, .logprobs = logprobs, .report = &c.report});
  stopwatch const clock;
  bool const fed = static_cast<bool>(feed(from, ids, s, c));
  if (fed) {
    auto const note = [&](token id) {
      if (c.first_token_seconds == 0) c.first_token_seconds = clock.seconds();
      if (s.logprobs) choices.push_back({id, c.report.logprob});
      return id;
    };
    if (s.echo) put(prompt);
    for (std::string_view const piece : std::views::empty<token> | generate(from) | std::views::transform(note) |
                                            decode(tokenizer, {.skip_special = !s.special}) |
                                            until(std::span<std::string_view const>(s.stops)))
      if (!put(piece) || std::fflush(stdout) != 0) break;
    if (is_terminal(stdout)) put("\n");
  }
  c.seconds = clock.seconds();
  list(tokenizer, choices);
  if (c.report.why == finish::error) return fail_with(c.report.error.message());
  if (int const status = end_output(); status != done) return status;
  if (!s.quiet) summarise(s, c, *talk);
  return c.report.why == finish::cancelled ? interrupted : done;
}

int generate_text(settings& s) {
  auto const file = open_model(std::string(s.model), s.copy ? file_access::copied : file_access::mapped);
  if (!file) return fail_with(file.error().message());
  auto const tokenizer = tokenizer_from(*file);
  if (!tokenizer) return fail_with(tokenizer.error().message());
  auto const adapters = read_adapters(s.lora, *file);
  if (!adapters) return fail_with(adapters.error().message());
  adapter_limits limits{adapters->size(), 0};
  for (auto const& adapter : *adapters) limits.rank = std::max(limits.rank, adapter.rank());
  adaptable<cpu> const machine(*file, limits, s.cpu);
  auto const model = load(*file, machine, {.rope = s.rope, .ternary_order = s.ternary_order});
  if (!model) return fail_with(model.error().message());
  auto const prompt = text_of(s.prompt);
  if (!prompt) return fail_with(prompt.error().message());
  auto const ids =
      encode(*tokenizer, *prompt,
             {.special = s.special ? special_text::parse : special_text::plain, .invalid = invalid_utf8::bytes});
  if (ids.empty())
    return fail_with("the prompt is empty, and this model's tokenizer puts no token before it: give a text");
  auto const scaled = with_scales(*adapters, s.lora);
  if (s.full.then == full_context::action::stop) return go_on(s, *model, *tokenizer, *prompt, ids, scaled);
  return go_on(s, streaming(*model, s.full.policy, s.full.how()), *tokenizer, *prompt, ids, scaled);
}

} // namespace

int run_generate(command const& self, arguments all) {
  settings s;
  command_line const line{self,
                          {{"MODEL", "a GGUF file, or a folder of Hugging Face", s.model},
                           {"PROMPT", "the text; - for the standard input, all of it", s.prompt}},
                          s.table(),
                          notes};
  if (auto const status = line.parse(all)) return *status;
  return generate_text(s);
}

} // namespace tool
