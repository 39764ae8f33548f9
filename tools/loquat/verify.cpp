/// \file
/// `loquat verify`: compares a model with reference outputs, one JSON object a line: `ids` (the prompt), `nll` (for
/// each i > 0, −log p(ids[i] | before)), `top_ids` and `top_logits` after the prompt, `logits_mean` and `logits_rms`
/// over the vocabulary, `greedy` (the next tokens by argmax, each fed back).

#include "commands.hpp"
#include "machine.hpp"
#include "model_file.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/core/json.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/model/load.hpp>

#include <cmath>

namespace tool {
namespace {

using namespace loquat;

constexpr std::string_view notes = R"(Lines whose "model" is the file name of MODEL are compared:
  "ids"                        the prompt
  "nll"                        for each i > 0: -log p(ids[i] | ids before)
  "top_ids", "top_logits"      some logits after the prompt
  "logits_mean", "logits_rms"  over the vocabulary, after the prompt
  "greedy"                     the most probable tokens, each fed back

The tolerance bounds the largest deviation of a nll, a logit, the mean or the
rms; for quantized weights it is a fraction of the line's logits_rms. Greedy
tokens must be equal; for quantized weights, whose logits depend on how an
engine rounds, the reference's token must be within the tolerance of the best.

examples:
  loquat verify model.gguf goldens.jsonl
  loquat verify model.gguf goldens.jsonl --backend reference --tolerance 1e-4
)";

enum class backend_kind { cpu, reference };

struct settings {
  std::string_view model, goldens;
  double tolerance = -1; // not given
  session_options session{.kv = kv_type::f32};
  backend_kind backend = backend_kind::cpu;
  cpu_options cpu;

  std::vector<option> table() {
    auto at_most = number(tolerance, 0.0, 1e6);
    at_most.fallback = "1e-3, or 1e-2 for quantized weights";
    return {{"--tolerance", "T", "the largest deviation that passes", at_most},
            {"--backend", "NAME", "what computes",
             one_of(backend, {{"cpu", backend_kind::cpu}, {"reference", backend_kind::reference}})},
            kv_option(session.kv),
            threads_option(cpu),
            target_option(cpu)};
  }
};

/// A line of the file.
struct golden {
  std::size_t line = 0;
  bool embedding = false; // of an encoder, which the library does not run yet
  std::vector<token> ids, top_ids, greedy;
  std::vector<double> nll, top_logits;
  double mean = 0, rms = 0;
};

/// How far a line is off.
struct deviations {
  double nll = 0, top = 0, mean = 0, rms = 0;
  std::size_t greedy = 0, greedy_equal = 0, first_difference = 0;
  double greedy_gap = 0; // the largest by which the reference's token was below the best

  double largest() const {
    double worst = 0;
    for (double const x : {nll, top, mean, rms}) take(worst, x);
    return worst;
  }
  static void take(double& worst, double x) {
    if (!(x <= worst)) worst = x; // NaN is worst
  }
};

template <class T> result<std::vector<T>> numbers(json::value from, std::string_view key) {
  auto const list = from[key];
  if (list.kind() != json::kind::array)
    return fail(errc::mismatch, key, ": expected an array, found ", name(list.kind()));
  std::vector<T> out;
  for (auto const element : list.elements()) {
    if constexpr (std::same_as<T, double>) {
      auto const x = element.as_double();
      if (!x) return x.error().within(key);
      out.push_back(*x);
    } else {
      auto const x = element.as_int64();
      if (!x) return x.error().within(key);
      if (*x < 0 || *x > std::numeric_limits<T>::max()) return fail(errc::mismatch, key, ": ", *x, " is no token");
      out.push_back(static_cast<T>(*x));
    }
  }
  return out;
}

result<golden> read_golden(json::value from, std::size_t line) {
  golden g;
  g.line = line;
  g.embedding = from["embedding"].kind() != json::kind::absent;
  if (g.embedding) return g;
  error wrong;
  bool good = true;
  auto const read = [&]<class T>(std::string_view key, T& out) {
    auto value = [&] {
      if constexpr (std::same_as<T, double>)
        return from[key].as_double();
      else
        return numbers<typename T::value_type>(from, key);
    }();
    if (value)
      out = *std::move(value);
    else if (std::exchange(good, false))
      wrong = value.error().within(key);
  };
  read("ids", g.ids);
  read("top_ids", g.top_ids);
  read("greedy", g.greedy);
  read("nll", g.nll);
  read("top_logits", g.top_logits);
  read("logits_mean", g.mean);
  read("logits_rms", g.rms);
  if (!good) return wrong;
  if (g.ids.empty() || g.nll.size() + 1 != g.ids.size() || g.top_ids.size() != g.top_logits.size())
    return fail(errc::mismatch, "expected ids, one nll less than ids, and as many top_logits as top_ids; found ",
                g.ids.size(), ", ", g.nll.size(), ", ", g.top_logits.size(), " and ", g.top_ids.size());
  return g;
}

/// The lines of a file that are about a model.
result<std::vector<golden>> read_goldens(std::string_view path, std::string_view model) {
  auto const file = mapped_file::open(std::string(path));
  if (!file) return file.error();
  std::string_view rest(reinterpret_cast<char const*>(file->bytes().data()), file->bytes().size());
  std::vector<golden> out;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    auto const end = std::min(rest.find('\n'), rest.size());
    auto const text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.find_first_not_of(" \t\r") == text.npos) continue;
    auto const parsed = json::parse(text);
    if (!parsed) return fail(parsed.error().code(), path, ": line ", line, ": ", parsed.error().message());
    if ((*parsed)["model"].as_string().value_or("") != model) continue;
    auto g = read_golden(parsed->root(), line);
    if (!g) return fail(g.error().code(), path, ": line ", line, ": ", g.error().message());
    out.push_back(*std::move(g));
  }
  return out;
}

double nll(std::span<float const> logits, token id) {
  double const highest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (float const x : logits) sum += std::exp(static_cast<double>(x) - highest);
  return std::log(sum) + highest - static_cast<double>(logits[static_cast<std::size_t>(id)]);
}

template <class Model> result<deviations> compare(Model const& model, typename Model::session& talk, golden const& g) {
  for (auto const* ids : {&g.ids, &g.top_ids, &g.greedy})
    for (token const id : *ids)
      if (static_cast<std::size_t>(id) >= model.vocabulary())
        return fail(errc::mismatch, "token ", id, ": the model has only ", model.vocabulary());
  deviations d;
  talk.truncate(0); // token by token, for the logits of every position
  for (std::size_t i = 0; i < g.nll.size(); ++i) {
    auto const logits = model.forward(talk, std::span(g.ids).subspan(i, 1));
    if (!logits) return logits.error();
    d.take(d.nll, std::abs(nll(*logits, g.ids[i + 1]) - g.nll[i]));
  }
  talk.truncate(0); // then all at once
  auto logits = model.forward(talk, g.ids);
  if (!logits) return logits.error();
  double sum = 0, squares = 0;
  for (float const x : *logits)
    sum += static_cast<double>(x), squares += static_cast<double>(x) * static_cast<double>(x);
  auto const n = static_cast<double>(logits->size());
  d.mean = std::abs(sum / n - g.mean);
  d.rms = std::abs(std::sqrt(squares / n) - g.rms);
  for (std::size_t i = 0; i < g.top_ids.size(); ++i)
    d.take(d.top, std::abs(static_cast<double>((*logits)[static_cast<std::size_t>(g.top_ids[i])]) - g.top_logits[i]));
  for (token const expected : g.greedy) { // the reference's token goes on, so that each of them is compared
    if (d.greedy != 0) logits = model.forward(talk, std::span(&g.greedy[d.greedy - 1], 1));
    if (!logits) return logits.error();
    token const best = greedy{}(*logits, {});
    if (best == expected) {
      ++d.greedy_equal;
    } else {
      if (d.greedy_equal == d.greedy) d.first_difference = d.greedy;
      d.take(d.greedy_gap, best == no_token ? std::nan("")
                                            : static_cast<double>((*logits)[static_cast<std::size_t>(best)]) -
                                                  static_cast<double>((*logits)[static_cast<std::size_t>(expected)]));
    }
    ++d.greedy;
  }
  return d;
}

std::string row(std::string_view line, std::string_view tokens, deviations const& d) {
  std::string out = left(line, 6) + right(tokens, 6);
  for (double const x : {d.nll, d.top, d.mean, d.rms}) out += right(number_text("%.1e", x), 9);
  return out + right(std::to_string(d.greedy_equal) + "/" + std::to_string(d.greedy), 9);
}

/// Compares every line and prints a table. The exit status.
template <class B>
int verify_on(B const& backend, gguf::file const& file, std::span<golden const> goldens, settings const& s) {
  auto const model = load(file, backend);
  if (!model) return fail_with(model.error().message());
  auto const is_float = [](tensor_view const& t) {
    return t.rank < 2 || t.type == tensor_type::f32 || t.type == tensor_type::f16 || t.type == tensor_type::bf16;
  };
  bool const exact = std::ranges::all_of(file.tensors(), is_float);
  double const tolerance = s.tolerance >= 0 ? s.tolerance : exact ? 1e-3 : 1e-2;
  session_options options = s.session;
  for (auto const& g : goldens) options.context = std::max(options.context, g.ids.size() + g.greedy.size());
  auto talk = model->make_session(options);
  if (!talk) return fail_with(talk.error().message());

  put(printable(s.model) + ": " + (exact ? "float" : "quantized") + " weights, tolerance " +
      number_text("%g", tolerance) + (exact ? "\n\n" : " of logits_rms\n\n"));
  put("line  tokens      nll     top     mean      rms   greedy\n");
  deviations all;
  std::size_t bad = 0, tokens = 0;
  for (auto const& g : goldens) {
    auto const number = std::to_string(g.line);
    if (g.embedding) {
      put(left(number, 6) + "  FAILED: embeddings are not supported yet\n");
      ++bad;
      continue;
    }
    auto const d = compare(*model, *talk, g);
    if (!d) return fail_with(std::string(s.goldens) + ": line " + number + ": " + std::string(d.error().message()));
    double const limit = exact ? tolerance : tolerance * g.rms;
    bool const near = d->largest() <= limit;
    bool const same = d->greedy_equal == d->greedy || (!exact && d->greedy_gap <= limit);
    std::string verdict = near && same ? "  ok" : "  FAILED";
    if (!near) verdict += number_text(": more than %.1e off", limit);
    if (d->greedy_equal != d->greedy)
      verdict += "; greedy token " + std::to_string(d->first_difference) + " is the first that differs, by " +
                 number_text("%.1e at most", d->greedy_gap);
    put(row(number, std::to_string(g.ids.size()), *d) + verdict + "\n");
    bad += !(near && same);
    tokens += g.ids.size();
    for (auto const member : {&deviations::nll, &deviations::top, &deviations::mean, &deviations::rms})
      all.take(all.*member, (*d).*member);
    all.greedy += d->greedy;
    all.greedy_equal += d->greedy_equal;
  }
  put(row("all", std::to_string(tokens), all) +
      (bad == 0 ? "  ok\n" : "  FAILED: " + std::to_string(bad) + " lines\n"));
  int const written = end_output();
  return bad != 0 ? failed : written;
}

} // namespace

int run_verify(command const& self, arguments all) {
  settings s;
  command_line const line{
      self,
      {{"MODEL", "a GGUF file, or a folder of Hugging Face", s.model}, {"GOLDENS", "a file of JSON lines", s.goldens}},
      s.table(),
      notes};
  if (auto const status = line.parse(all)) return *status;

  auto const file = open_model(std::string(s.model));
  if (!file) return fail_with(file.error().message());
  auto const model_name = s.model.substr(s.model.find_last_of("/\\") + 1); // npos + 1 is 0
  auto const goldens = read_goldens(s.goldens, model_name);
  if (!goldens) return fail_with(goldens.error().message());
  if (goldens->empty()) return line.misuse(printable(s.goldens) + " has no line with \"model\": " + quoted(model_name));
  if (s.backend == backend_kind::reference) return verify_on(reference(), *file, *goldens, s);
  return verify_on(cpu(s.cpu), *file, *goldens, s);
}

} // namespace tool
