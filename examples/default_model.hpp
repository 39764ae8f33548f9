#pragma once
/// \file
/// The model `story.gguf`, which lies beside this file, as part of the program: so the examples run anywhere and
/// without arguments. The assembler puts it in; it too searches the folders of `-I`, hence the path from `include`.

#include <loquat/format/gguf.hpp>

#include <cstddef>
#include <span>

#if defined(__wasm__)
__asm__(".section .data.loquat_default_model,\"\",@\n"
        ".p2align 6\n"
        "loquat_default_model:\n"
        ".incbin \"../examples/story.gguf\"\n"
        "loquat_default_model_end:\n"
        ".size loquat_default_model, loquat_default_model_end - loquat_default_model\n");
#else
__asm__(".data\n"
        ".balign 64\n"
        "loquat_default_model:\n"
        ".incbin \"../examples/story.gguf\"\n"
        "loquat_default_model_end:\n"
        ".text\n");
#endif
extern __attribute__((visibility("hidden"))) std::byte const loquat_default_model[] __asm__("loquat_default_model");
extern __attribute__((visibility("hidden")))
std::byte const loquat_default_model_end[] __asm__("loquat_default_model_end");

/// The bytes of the file.
static inline std::span<std::byte const> default_model() { return {loquat_default_model, loquat_default_model_end}; }

/// The model file that is argument number `place`, or the default model where there are fewer.
static inline loquat::result<loquat::gguf::file> open_model(int argc, char** argv, int place) {
  return argc > place ? loquat::gguf::open(argv[place]) : loquat::gguf::file::parse(default_model(), "story.gguf");
}
