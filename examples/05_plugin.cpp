/// \file
/// Plugins: parts that a program is put together from, found by what they offer: `05_plugin [PROMPT [MODEL.gguf]]`.
/// Which ones is known when the program is compiled: `find` costs nothing, and does not compile if nobody offers it.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <array>
#include <iostream>

using namespace loquat;

/// What this program gives to its plugins.
struct studio {
  gguf::file const& file;
};

/// Reads the model's name. It may fail to attach: the message then names the plugin, and nothing stays attached.
struct title_page {
  static constexpr std::string_view name = "title page";
  static constexpr version_number version{1, 0, 0};
  static constexpr std::array<std::string_view, 1> offers{"title"};
  std::string_view title;

  result<void> attach(studio& s) {
    auto const found = s.file.get_or<std::string_view>("general.name", "a model without a name");
    if (!found) return found.error();
    title = *found;
    return {};
  }
  void detach() noexcept {}
};

/// Decides how tokens are chosen, and listens to what comes out.
struct narrator {
  static constexpr std::string_view name = "narrator";
  static constexpr version_number version{0, 2, 0};
  static constexpr std::array<std::string_view, 2> offers{"sampler", "listener"};
  std::size_t bytes = 0;

  result<void> attach(studio&) { return {}; }
  void detach() noexcept { std::cout << "(the narrator leaves after " << bytes << " bytes)\n"; }
  Sampler auto sampler() const { return top_p{0.9f} | temperature{0.7f} | draw{.seed = 7}; }
  void hear(std::string_view piece) { bytes += piece.size(); }
};

int main(int argc, char** argv) try {
  std::string_view const prompt = argc > 1 ? argv[1] : "The little boat";
  auto const file = open_model(argc, argv, 2).value();
  cpu const machine;
  auto const model = load(file, machine).value();
  auto const tok = tokenizer_from(file).value();
  auto talk = model.make_session().value();

  studio context{file};
  host plugins{title_page{}, narrator{}};
  plugins.attach(context).value(); // in this order; detached in the opposite one
  plugins.for_each([](auto const& plugin) { std::cout << plugin.name << " attached\n"; });

  std::cout << "--- " << plugins.find<"title">().title << '\n' << prompt;
  generator story(model, talk, plugins.find<"sampler">().sampler(), {.max_tokens = 80});
  for (auto piece : prompt | encode(tok) | generate(story) | decode(tok)) {
    if constexpr (plugins.offers("listener")) plugins.find<"listener">().hear(piece); // this one may be missing
    std::cout << piece;
  }
  std::cout << '\n';
  if (story.report().why == finish::error) throw bad_result(story.report().error);
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
