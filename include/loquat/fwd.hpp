#pragma once
/// \file
/// Declarations of the main types, for headers that only name them.

#include <loquat/core/token.hpp>
#include <loquat/parallel/executor.hpp>

namespace loquat {

template <class T> class result;
class error;
class arena;
class pool;
struct tensor_view;
struct architecture;
struct hyperparameters;
struct session_options;
struct generate_options;
struct generate_report;
class tokenizer;
struct tokenizer_definition;

template <class Formats, Executor E> class basic_cpu;
template <class Formats> class basic_reference;

namespace gguf {
class file;
class writer;
} // namespace gguf

} // namespace loquat
