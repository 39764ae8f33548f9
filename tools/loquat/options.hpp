#pragma once
/// \file
/// A command line as one table: parsing, help and complaints all come from it. GNU style: `--name value`,
/// `--name=value`, and `--` ends the options.

#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tool {

using arguments = std::span<char const* const>; ///< what stands behind a command's name

/// One of the things that `loquat` does.
struct command {
  std::string_view name, summary;
  int (*run)(command const& self, arguments); ///< returns the exit status
};

/// What an option does with its value, and what it says about it.
struct setting {
  std::function<bool(std::string_view)> set; ///< false for a text that is no such value
  std::string expected;                      ///< "0 to 1": what a wrong value is not
  std::string hint;                          ///< the same for the help; empty where it goes without saying
  std::string fallback;                      ///< the default
  bool takes_value = true;
};

/// A row of the table. `value` is what help calls the value; `name` begins with "--".
struct option {
  std::string_view name, value, help;
  setting to;
};

/// An argument that is no option; all are required.
struct operand {
  std::string_view name, help;
  std::string_view& to;
};

/// True where the option is given.
inline setting flag(bool& to) {
  return {[&to](std::string_view) { return to = true; }, {}, {}, {}, false};
}

/// Texts that are not empty; the option may be given more than once.
inline setting texts(std::vector<std::string_view>& to) {
  return {[&to](std::string_view value) { return to.push_back(value), !value.empty(); },
          "a text that is not empty",
          "may be repeated",
          {}};
}

/// A number from `lowest` to `highest`; without `highest` a whole one.
template <class T> setting number(T& to, T lowest, T highest = std::numeric_limits<T>::max()) {
  auto const show = [](T x) {
    char digits[32];
    if constexpr (std::floating_point<T>)
      std::snprintf(digits, sizeof digits, "%g", static_cast<double>(x));
    else
      *std::to_chars(digits, digits + sizeof digits - 1, x).ptr = '\0';
    return std::string(digits);
  };
  auto const read = [&to, lowest, highest](std::string_view value) {
    T x{};
    if constexpr (std::floating_point<T>) { // some standard libraries still have no from_chars for these
      std::string const copy(value);
      char* end = nullptr;
      x = static_cast<T>(std::strtod(copy.c_str(), &end));
      if (copy.empty() || end != copy.c_str() + copy.size()) return false;
    } else {
      auto const [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), x);
      if (wrong != std::errc{} || end != value.data() + value.size()) return false;
    }
    if (!(x >= lowest && x <= highest)) return false; // nor is NaN in the range
    to = x;
    return true;
  };
  bool const open = highest == std::numeric_limits<T>::max();
  if (open) return {read, "a whole number, " + show(lowest) + " or more", {}, show(to)};
  auto const range = show(lowest) + " to " + show(highest);
  return {read, range, range, show(to)};
}

/// One of several words.
template <class E>
setting one_of(E& to, std::vector<std::pair<std::string_view, std::type_identity_t<E>>> const& words) {
  setting s{[&to, words](std::string_view value) {
              for (auto const& [word, meaning] : words)
                if (word == value) return to = meaning, true;
              return false;
            },
            {},
            {},
            {}};
  for (auto const& [word, meaning] : words) {
    if (!s.expected.empty()) s.expected += &word == &words.back().first ? " or " : ", ";
    s.expected += word;
    if (meaning == to) s.fallback = word;
  }
  s.hint = s.expected;
  return s;
}

/// How many characters must be inserted, deleted or replaced to make `b` of `a` (V. Levenshtein, 1966).
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t const replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

/// "; did you mean NAME?" if one of the things is named almost like that, else nothing.
template <class Named> std::string did_you_mean(std::string_view wrong, Named const& things) {
  std::size_t least = std::min<std::size_t>(3, wrong.size() / 2);
  std::string_view nearest;
  for (auto const& thing : things)
    if (auto const distance = edit_distance(wrong.substr(0, 64), thing.name); distance < least)
      least = distance, nearest = thing.name;
  return nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?";
}

/// The arguments behind all operands, one or more, where a command takes them.
struct operand_list {
  std::string_view name, help;
  std::vector<std::string_view>* to = nullptr;
};

inline constexpr std::string_view statuses =
    "exit status: 0 all is well, 1 the work failed, 2 wrong usage, 130 interrupted\n";

/// The table of a command.
struct command_line {
  command const& self;
  std::vector<operand> operands;
  std::vector<option> options;
  std::string_view notes; ///< the end of the help text: whole lines, with examples
  operand_list rest{};

  /// Sets what the arguments say. An exit status if there is nothing more to do: help was wanted, or the usage is
  /// wrong.
  std::optional<int> parse(arguments all) const {
    std::size_t given = 0;
    bool options_end = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::string_view const argument = all[i];
      if (options_end || argument.size() < 2 || argument[0] != '-') {
        if (given == operands.size() && rest.to != nullptr) {
          rest.to->push_back(argument);
          continue;
        }
        if (given == operands.size())
          return misuse("one argument too many: " + quoted(argument) + "; a text with spaces needs quotes around it");
        operands[given++].to = argument;
      } else if (argument == "--") {
        options_end = true;
      } else if (argument == "--help" || argument == "-h") {
        return help();
      } else {
        auto const equals = argument.find('=');
        auto const name = argument.substr(0, equals);
        auto const row = std::ranges::find(options, name, &option::name);
        if (row == options.end())
          return misuse("unknown option " + printable(name) + did_you_mean(name, options) +
                        (name.find(' ') != name.npos ? "; a text that begins with '-' goes behind --" : ""));
        std::string_view value;
        if (equals != argument.npos)
          value = argument.substr(equals + 1);
        else if (row->to.takes_value) {
          if (++i == all.size())
            return misuse(std::string(name) + ": the value " + std::string(row->value) + " is missing");
          value = all[i];
        }
        if (!row->to.takes_value && equals != argument.npos) return misuse(std::string(name) + " takes no value");
        if (!row->to.set(value))
          return misuse(std::string(name) + " " + (value.empty() ? "''" : printable(value)) + ": expected " +
                        row->to.expected);
      }
    }
    if (given < operands.size())
      return misuse(std::string(operands[given].name) + " is missing: " + std::string(operands[given].help));
    if (rest.to != nullptr && rest.to->empty())
      return misuse(std::string(rest.name) + " is missing: " + std::string(rest.help));
    return std::nullopt;
  }

  /// Complains about the usage, and returns the status of that.
  int misuse(std::string_view what) const {
    return complain(std::string(self.name) + ": " + std::string(what) + "\ntry: loquat " + std::string(self.name) +
                    " --help"),
           misused;
  }

 private:
  int help() const {
    std::string out = "usage: loquat " + std::string(self.name) + (options.empty() ? "" : " [OPTION]...");
    for (auto const& o : operands) out.append(" ").append(o.name);
    if (rest.to != nullptr) out.append(" ").append(rest.name);
    out.append("\n\n").append(self.summary).append("\n\n");
    std::size_t width = 6; // --help
    auto const head = [](option const& o) { return std::string(o.name) + " " + std::string(o.value); };
    for (auto const& o : operands) width = std::max(width, o.name.size());
    width = std::max(width, rest.name.size());
    for (auto const& o : options) width = std::max(width, head(o).size());
    auto const line = [&](std::string_view name, std::string_view help) {
      out += "  " + left(name, width) + "  " + std::string(help) + "\n";
    };
    for (auto const& o : operands) line(o.name, o.help);
    if (rest.to != nullptr) line(rest.name, rest.help);
    out += "\noptions:\n";
    for (auto const& o : options) {
      std::string more = o.to.hint;
      if (!o.to.fallback.empty()) more += (more.empty() ? "default " : "; default ") + o.to.fallback;
      line(head(o), std::string(o.help) + (more.empty() ? "" : " (" + more + ")"));
    }
    line("--help", "show this");
    put(out + "\n" + std::string(notes) + "\n" + std::string(statuses));
    return end_output();
  }
};

} // namespace tool
