/// \file
/// A backend of one's own: the CPU's, but it counts the multiply-adds of its matrix products:
/// `07_backend [PROMPT [MODEL.gguf]]`. Hiding an operation of `cpu` is all it takes; no function is virtual, so the
/// model is compiled for this backend and the operations that stay cost what they did.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <iomanip>
#include <iostream>
#include <utility>

using namespace loquat;

/// Counts. A backend is shared by sessions and threads, so the count is in the session's workspace.
struct counting_cpu : cpu {
  struct workspace : cpu::workspace {
    std::size_t multiply_adds = 0;
  };
  workspace make_workspace(workspace_limits const& limits, arena& memory) const {
    return {cpu::make_workspace(limits, memory)};
  }

  void matmul(workspace& work, std::span<float const> x, std::size_t n,
              std::span<projection<matrix> const> projections) const {
    for (auto const& p : projections) work.multiply_adds += n * p.weights->rows() * p.weights->columns();
    cpu::matmul(work, x, n, projections);
  }
};
static_assert(Backend<counting_cpu>);

int main(int argc, char** argv) try {
  std::string_view const prompt = argc > 1 ? argv[1] : "Once upon a time";
  auto const file = open_model(argc, argv, 2).value();
  auto const tok = tokenizer_from(file).value();
  counting_cpu const machine;
  auto const model = load<arch::llama>(file, machine).value(); // nothing else is compiled
  auto talk = model.make_session().value();

  std::cout << "multiply-adds  token\n";
  std::size_t before = 0, count = 0;
  generate_report report;
  for (token id : prompt | encode(tok) | generate(model, talk, {.max_tokens = 12, .report = &report})) {
    count = talk.work.multiply_adds - std::exchange(before, talk.work.multiply_adds);
    std::cout << std::setw(13) << count << "  \"" << tok.piece(id) << "\"\n";
  }
  if (report.why == finish::error) throw bad_result(report.error);

  // A token passes once through every matrix. The first one costs more: before it comes the whole prompt, of which only
  // the last token needs the output matrix.
  std::size_t expected = 0;
  for (auto const& tensor : file.tensors())
    if (tensor.rank == 2 && (tensor.name != "token_embd.weight" || !file.find_tensor("output.weight")))
      expected += tensor.elements();
  std::cout << "the matrices have " << expected << " weights\n";
  return count == expected ? 0 : 1;
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
