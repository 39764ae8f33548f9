/// \file
/// Lists what is in a GGUF file: `03_inspect [MODEL.gguf]`. Reads the header only, whatever the size of the file.

#include "default_model.hpp"
#include <loquat/format/gguf_print.hpp>

#include <cstdio>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  auto const file = open_model(argc, argv, 1);
  if (!file) { // errors are values: no exceptions needed
    std::fprintf(stderr, "%s\n", file.error().c_str());
    return 1;
  }
  auto const print = [](int width, std::string_view text) { // views do not end with a zero
    std::printf("%-*.*s", width, static_cast<int>(text.size()), text.data());
  };

  for (auto const& [key, value] : file->metadata()) {
    std::vector<char> text;
    loquat::gguf::print(text, value, {.max_elements = 5, .max_text_bytes = 60});
    print(45, key);
    print(0, {text.data(), text.size()});
    std::printf("\n");
  }

  std::uint64_t elements = 0, bytes = 0;
  std::printf("\n");
  for (auto const& tensor : file->tensors()) {
    print(30, tensor.name);
    print(8, name(tensor.type));
    for (std::size_t i = tensor.rank; i-- > 0;) // rows first, as in most papers
      std::printf("%llu%s", static_cast<unsigned long long>(tensor.shape[i]), i > 0 ? " x " : "\n");
    elements += tensor.elements();
    bytes += tensor.data.size();
  }
  std::printf("\n%zu keys, %zu tensors, %.3f million weights, %.2f bits each\n", file->metadata().size(),
              file->tensors().size(), static_cast<double>(elements) * 1e-6,
              8 * static_cast<double>(bytes) / static_cast<double>(elements));
}
