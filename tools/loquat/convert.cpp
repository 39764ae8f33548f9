/// \file
/// `loquat convert`: from the folders of Hugging Face to GGUF files, and back.

#include "commands.hpp"
#include "progress.hpp"
#include "system.hpp"

#include <loquat/convert/folder.hpp>
#include <loquat/convert/folder_writer.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/parallel/pool.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/mixes.hpp>
#include <loquat/quant/quantize.hpp>

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tool {
namespace {

using namespace loquat;

std::string const notes = R"(
IN is a folder with config.json, *.safetensors and a tokenizer, and OUT a GGUF
file that llama.cpp and others read as well; or IN is a GGUF file, and OUT a
folder to make, or FILE.safetensors for the weights alone. Weights stay as they
are without --type: of a GGUF file, quantized ones become BF16. Types are those
of 'loquat quantize' for a GGUF file, and F32, F16 or BF16 for a folder. One
tensor at a time is in memory. OUT appears when all of it is written; Ctrl-C or
an error leaves nothing of it.

examples:
  loquat convert SmolLM2-135M smollm2.gguf
  loquat convert Mixtral-8x7B mixtral-q4_k_m.gguf --type Q4_K_M
  loquat convert model-q8_0.gguf model --type F16
  loquat convert model.gguf folder --shard-size 5GB
  loquat convert model.gguf weights.safetensors
)";

/// Reads a size like 500MB, 5GB or 2GiB.
bool read_size(std::string_view text, std::uint64_t& to) {
  std::uint64_t n = 0;
  auto const [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string_view const unit = text.substr(static_cast<std::size_t>(end - text.data()));
  std::uint64_t by = 0;
  for (auto const& [name, size] : {std::pair<std::string_view, std::uint64_t>{"", 1},
                                   {"KB", 1000},
                                   {"MB", 1000000},
                                   {"GB", 1000000000},
                                   {"KiB", 1 << 10},
                                   {"MiB", 1 << 20},
                                   {"GiB", 1 << 30}})
    if (unit == name) by = size;
  if (wrong != std::errc() || by == 0 || n == 0 || n > (std::uint64_t{1} << 62) / by) return false;
  to = n * by;
  return true;
}

struct settings {
  std::string_view input, output;
  std::optional<mix> type;
  std::uint64_t shard_size = 0;
  unsigned threads = 0;
  bool no_tokenizer = false;

  std::vector<option> table() {
    setting const to_mix{[this](std::string_view value) {
                           std::string wanted(value);
                           for (char& c : wanted)
                             if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
                           auto const* const found = find_mix(wanted);
                           if (found) type = *found;
                           return found != nullptr;
                         },
                         "a type or mix, like F16, Q8_0 or Q4_K_M; 'loquat quantize --help' lists them",
                         {},
                         "as they are"};
    setting const to_size{[this](std::string_view value) { return read_size(value, shard_size); },
                          "a size, like 5GB, 500MB or 2GiB",
                          {},
                          "one file"};
    return {{"--type", "TYPE", "what the weights become", to_mix},
            {"--shard-size", "SIZE", "of a folder: largest file of weights", to_size},
            {"--no-tokenizer", "", "leave out the tokenizer", flag(no_tokenizer)},
            {"--threads", "N", "threads; 0: one for each CPU", number(threads, 0u, 1024u)}};
  }
};

/// Says what was written.
int summarise(std::uint64_t tensors, std::uint64_t parameters, std::uint64_t bytes, double seconds) {
  put(std::to_string(tensors) + " tensors, " + scaled(static_cast<double>(parameters)) + " parameters, " +
      byte_text(static_cast<double>(bytes)) + number_text(" in %.2f s", seconds) + "\n");
  return end_output();
}

int fail_or_stop(error const& e) {
  if (e.code() == errc::cancelled) return complain("interrupted"), interrupted;
  return fail_with(e.message());
}

/// What the facts about a model's sizes say of mixes.
result<mix_facts> facts_of(hugging_face::folder const& from) {
  auto const bytes = from.metadata().bytes();
  if (!bytes) return bytes.error();
  auto const keys = gguf::file::parse(*bytes);
  if (!keys) return keys.error();
  auto facts = mix_facts_of(*keys);
  facts.own_output = std::ranges::any_of(from.tensors(), [](auto const& t) { return t.name == "output.weight"; });
  return facts;
}

file_type type_number(tensor_type type) {
  return type == tensor_type::f32 ? file_type::f32 : type == tensor_type::f16 ? file_type::f16 : file_type::bf16;
}

int to_gguf(settings const& s) {
  stopwatch const clock;
  auto const from = hugging_face::folder::open(std::string(s.input), {.tokenizer = !s.no_tokenizer});
  if (!from) return fail_with(from.error().message());
  auto const facts = facts_of(*from);
  if (!facts) return fail_with(facts.error().message());
  auto out = from->metadata();
  out.add("general.file_type", static_cast<std::uint32_t>(s.type ? s.type->number : type_number(from->main_type())));
  out.add("general.quantization_version", std::uint32_t{2});
  std::vector<tensor_view> to;
  std::uint64_t weights = 0, bytes = 0;
  for (auto tensor : from->tensors()) {
    if (s.type) tensor.type = type_in_mix(*s.type, *facts, tensor);
    auto const size = byte_size(tensor.type, tensor.shape);
    if (!size) return fail_with(std::string(tensor.name) + ": " + std::string(size.error().message()));
    weights += tensor.elements(), bytes += *size;
    out.add(tensor);
    to.push_back(tensor);
  }
  catch_interrupt();
  pool const threads(s.threads);
  std::vector<std::byte> room, packed;
  std::size_t at = 0; // the writer asks for the tensors in their order
  result<void> written;
  {
    progress shows(weights);
    written = out.write(std::string(s.output), [&](tensor_view const&) -> result<std::span<std::byte const>> {
      auto const i = at++;
      if (interrupt_wanted) return fail(errc::cancelled, "interrupted");
      shows.next(to[i].name, name(to[i].type), to[i].elements());
      auto made = from->data(i, room);
      if (!made || to[i].type == from->tensors()[i].type) return made;
      auto source = from->tensors()[i];
      source.data = *made;
      packed.resize(static_cast<std::size_t>(byte_size(to[i].type, to[i].shape).value_or(0)));
      auto const loss = quantize_tensor(builtin_formats{}, source, to[i].type, packed, threads,
                                        {.importance = {}, .cancel = &interrupt_wanted});
      if (!loss) return loss.error().within(s.input);
      return std::span<std::byte const>(packed);
    });
  }
  if (!written) return fail_or_stop(written.error());
  return summarise(to.size(), weights, bytes, clock.seconds());
}

/// A folder that takes its name when all in it is written.
class new_folder {
 public:
  explicit new_folder(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) { temporary_ += ".tmp"; }
  new_folder(new_folder const&) = delete;
  new_folder& operator=(new_folder const&) = delete;
  ~new_folder() {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(temporary_, ignored);
  }

  std::string make() { // what is wrong, or nothing
    std::error_code e;
    if (std::filesystem::exists(path_, e) &&
        !(std::filesystem::is_directory(path_, e) && std::filesystem::is_empty(path_, e)))
      return path_.string() + ": is there already; give a name of a new folder";
    if (!std::filesystem::create_directory(temporary_, e))
      return temporary_.string() + ": cannot be made" + (e ? ": " + e.message() : "; it is there already");
    made_ = true;
    return {};
  }
  std::string commit() {
    std::error_code e;
    std::filesystem::remove(path_, e); // an empty one
    std::filesystem::rename(temporary_, path_, e);
    if (e) return path_.string() + ": " + e.message();
    made_ = false;
    return {};
  }
  std::string place() const { return temporary_.string(); }

 private:
  std::filesystem::path path_, temporary_;
  bool made_ = false;
};

int from_gguf(settings const& s) {
  stopwatch const clock;
  auto const file = gguf::open(std::string(s.input));
  if (!file) return fail_with(file.error().message());
  std::optional<tensor_type> type;
  if (s.type) type = s.type->base;
  std::uint64_t weights = 0, tensors = 0, bytes = 0;
  for (auto const& t : file->tensors()) weights += t.elements();
  auto const* const kind = hugging_face::family_of(*file);
  std::string output(s.output);
  result<void> written;
  catch_interrupt();
  {
    progress shows(weights);
    auto const before = [&](hugging_face::export_step const& step) -> result<void> {
      if (interrupt_wanted) return fail(errc::cancelled, "interrupted");
      shows.next(step.name, safetensors::name(step.type), step.from.elements());
      bytes += safetensors::byte_size(step.type, step.shape).value_or(0), ++tensors;
      return {};
    };
    if (output.ends_with(".safetensors")) {
      written = hugging_face::save_weights(*file, kind, output, type, before);
    } else {
      while (output.size() > 1 && output.back() == '/') output.pop_back();
      new_folder folder(output);
      if (auto const wrong = folder.make(); !wrong.empty()) return fail_with(wrong);
      written = hugging_face::save(
          *file, folder.place(), {.type = type, .tokenizer = !s.no_tokenizer, .max_shard_bytes = s.shard_size}, before);
      if (written)
        if (auto const wrong = folder.commit(); !wrong.empty()) return fail_with(wrong);
    }
  }
  if (!written) return fail_or_stop(written.error());
  if (!kind) complain("note: tensors keep their names, those of Hugging Face are not known for this model");
  return summarise(tensors, weights, bytes, clock.seconds());
}

} // namespace

int run_convert(command const& self, arguments all) {
  settings s;
  command_line const line{self,
                          {{"IN", "a folder of Hugging Face, or a GGUF file; of a split one, any part", s.input},
                           {"OUT", "the GGUF file, folder or .safetensors file to write", s.output}},
                          s.table(),
                          notes};
  if (auto const status = line.parse(all)) return *status;
  std::error_code absent;
  bool const folder = std::filesystem::is_directory(std::filesystem::path(s.input), absent);
  if (!s.input.ends_with(".gguf") && !std::filesystem::exists(std::filesystem::path(s.input), absent))
    return fail_with(printable(s.input) + ": there is no such folder or file");
  if (folder && !s.output.ends_with(".gguf"))
    return line.misuse("OUT " + printable(s.output) + ": of a folder, a file named .gguf is made");
  if (!folder && s.input.ends_with(".safetensors"))
    return line.misuse("IN " + printable(s.input) + ": give the folder that it is in, with its config.json");
  if (!folder && s.output.ends_with(".gguf"))
    return line.misuse(
        "OUT " + printable(s.output) +
        ": of a GGUF file, a folder or .safetensors file is made; for other weights see 'loquat quantize'");
  if (!folder && s.type && !is_float(s.type->base))
    return line.misuse("--type: expected F32, F16 or BF16 for a folder");
  return folder ? to_gguf(s) : from_gguf(s);
}

} // namespace tool
