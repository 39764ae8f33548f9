/// \file
/// The test program: doctest, and as the last line the number of test cases that passed, failed and were skipped.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "support/data.hpp"

#include <cstdio>
#include <string>

namespace {

struct {
  bool ran = false;
  int passed = 0, failed = 0, skipped = 0;
} totals;

/// Counts the cases. doctest itself knows nothing of a case that finds out while it runs that it cannot.
struct counter : doctest::IReporter {
  explicit counter(doctest::ContextOptions const& options) : options_(options) {}

  void test_run_start() override { totals.ran = true; }
  void test_case_start(doctest::TestCaseData const& running) override { name_ = running.m_name; }
  void test_case_end(doctest::CurrentTestCaseStats const& result) override {
    auto const reason = test::take_skip();
    if (!result.testCaseSuccess)
      ++totals.failed;
    else if (reason.empty())
      ++totals.passed;
    else
      skip(reason);
  }
  void test_case_skipped(doctest::TestCaseData const& left_out) override {
    name_ = left_out.m_name;
    if (left_out.m_skip && !options_.no_skip) skip("marked as skipped"); // not those that a filter left out
  }

  void report_query(doctest::QueryData const&) override {}
  void test_run_end(doctest::TestRunStats const&) override {}
  void test_case_reenter(doctest::TestCaseData const&) override {}
  void test_case_exception(doctest::TestCaseException const&) override {}
  void subcase_start(doctest::SubcaseSignature const&) override {}
  void subcase_end() override {}
  void log_assert(doctest::AssertData const&) override {}
  void log_message(doctest::MessageData const&) override {}

 private:
  void skip(std::string const& reason) {
    ++totals.skipped;
    std::printf("SKIPPED: %s: %s\n", name_, reason.c_str());
  }

  doctest::ContextOptions const& options_;
  char const* name_ = "";
};

DOCTEST_REGISTER_LISTENER("counter", 1, counter);

} // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  int const status = context.run();
  std::fflush(stdout);
  if (totals.ran) std::printf("%d passed, %d failed, %d skipped\n", totals.passed, totals.failed, totals.skipped);
  return status;
}
