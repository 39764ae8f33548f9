#pragma once
/// \file
/// What must hold for any bytes read as JSON.

#include <loquat/core/json.hpp>

#include <string>
#include <string_view>

namespace test {

/// Writes a value as text again, without white space.
inline void write_json(loquat::json::value value, std::string& out) {
  using loquat::json::kind;
  switch (value.kind()) {
  case kind::absent:
    out += '?';
    break; // which cannot be read again
  case kind::null:
    out += "null";
    break;
  case kind::boolean:
    out += *value.as_bool() ? "true" : "false";
    break;
  case kind::number: {
    if (auto const integer = value.as_int64())
      out += std::to_string(*integer);
    else
      out += *value.as_double() < 0 ? "-1.5" : "1.5"; // its digits are a matter of other tests
    break;
  }
  case kind::string:
    loquat::json::append_string(out, *value.as_string());
    break;
  case kind::array:
    out += '[';
    for (auto const element : value.elements()) write_json(element, out), out += ',';
    if (out.back() == ',') out.pop_back();
    out += ']';
    break;
  case kind::object:
    out += '{';
    for (auto const [key, member] : value.members()) {
      loquat::json::append_string(out, key);
      out += ':';
      write_json(member, out);
      out += ',';
    }
    if (out.back() == ',') out.pop_back();
    out += '}';
    break;
  }
}

/// True if `text` is refused with a message, or is read, written, and read again as the same.
inline bool json_holds(std::string_view text) {
  auto const first = loquat::json::parse(text);
  if (!first) return !first.error().message().empty();
  std::string once, twice;
  write_json(first->root(), once);
  auto const second = loquat::json::parse(once);
  if (!second) return false;
  write_json(second->root(), twice);
  return once == twice;
}

} // namespace test
