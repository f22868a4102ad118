#include "libs/json/json.h"

#include <algorithm>
#include <charconv>

#include "absl/container/flat_hash_map.h"

namespace fleetcast::json {
namespace {

// Below this many members a linear search beats an index.
constexpr size_t kLinearMembersMax = 16;

// A number literal taken apart: 0.d1d2d3… * 10^exponent, without leading or trailing zero digits.
struct Decimal {
  bool is_negative = false;
  std::string digits;  // Empty = zero.
  int64_t exponent = 0;
};

Decimal ToDecimal(std::string_view text) {
  Decimal result;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    result.is_negative = text[0] == '-';
    text.remove_prefix(1);
  }
  bool is_fraction = false;
  size_t i = 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      is_fraction = true;
      continue;
    }
    if (text[i] == '0' && result.digits.empty()) {
      if (is_fraction) --result.exponent;
      continue;
    }
    result.digits.push_back(text[i]);
    if (!is_fraction) ++result.exponent;
  }
  if (i < text.size()) {
    std::string_view power = text.substr(i + 1);
    if (!power.empty() && power[0] == '+') power.remove_prefix(1);
    int64_t shift = 0;
    std::from_chars(power.data(), power.data() + power.size(), shift);
    result.exponent += shift;
  }
  while (!result.digits.empty() && result.digits.back() == '0') result.digits.pop_back();
  if (result.digits.empty()) return {};
  return result;
}

// Long patches on long objects go through an index, so that the cost stays linear.
void MergeObject(Object& target, const Object& patch) {
  absl::flat_hash_map<std::string, size_t> index;
  const bool is_indexed = target.size() + patch.size() > 2 * kLinearMembersMax;
  if (is_indexed) {
    for (size_t i = 0; i < target.size(); ++i) index.emplace(target[i].key, i);
  }
  const auto position_of = [&](const std::string& key) -> size_t {
    if (is_indexed) {
      const auto found = index.find(key);
      return found == index.end() ? target.size() : found->second;
    }
    return std::find_if(target.begin(), target.end(), [&](const Member& m) { return m.key == key; }) - target.begin();
  };
  bool is_any_removed = false;
  std::vector<bool> is_removed(target.size());
  for (const Member& change : patch) {
    const size_t at = position_of(change.key);
    const bool exists = at < target.size();
    if (change.value.is_null()) {
      if (exists) is_any_removed = is_removed[at] = true;
      continue;
    }
    if (!exists) {
      target.push_back({change.key, {}});
      is_removed.push_back(false);
      if (is_indexed) index.emplace(change.key, at);
    }
    MergePatch(target[at].value, change.value);
  }
  if (!is_any_removed) return;
  size_t kept = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    if (is_removed[i]) continue;
    if (kept != i) target[kept] = std::move(target[i]);
    ++kept;
  }
  target.resize(kept);
}

}  // namespace

Value Value::MakeArray(Array elements) { return Value(Storage(std::move(elements))); }
Value Value::MakeObject(Object members) { return Value(Storage(std::move(members))); }

double Value::AsDouble() const {
  const std::string& text = NumberText();
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

std::optional<int64_t> Value::AsInt() const {
  if (!is_number()) return std::nullopt;
  const std::string& text = NumberText();
  int64_t result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return result;
}

const Value* Value::Find(std::string_view key) const { return const_cast<Value*>(this)->Find(key); }

Value* Value::Find(std::string_view key) {
  if (!is_object()) return nullptr;
  for (Member& member : object()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const Value* Value::FindPath(std::initializer_list<std::string_view> path) const {
  const Value* at = this;
  for (const std::string_view key : path) {
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

Value& Value::Set(std::string_view key, Value value) {
  if (Value* existing = Find(key)) return *existing = std::move(value);
  object().push_back({std::string(key), std::move(value)});
  return object().back().value;
}

bool Value::Remove(std::string_view key) {
  Object& members = object();
  const auto found = std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.key == key; });
  if (found == members.end()) return false;
  members.erase(found);
  return true;
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull: return true;
    case Kind::kBool: return a.AsBool() == b.AsBool();
    case Kind::kNumber: return CompareNumbers(a.NumberText(), b.NumberText()) == 0;
    case Kind::kString: return a.AsString() == b.AsString();
    case Kind::kArray: return a.array() == b.array();
    case Kind::kObject: break;
  }
  if (a.object().size() != b.object().size()) return false;
  return std::all_of(a.object().begin(), a.object().end(), [&](const Member& member) {
    const Value* other = b.Find(member.key);
    return other != nullptr && *other == member.value;
  });
}

int CompareNumbers(std::string_view a, std::string_view b) {
  const Decimal x = ToDecimal(a);
  const Decimal y = ToDecimal(b);
  const int sign_x = x.digits.empty() ? 0 : (x.is_negative ? -1 : 1);
  const int sign_y = y.digits.empty() ? 0 : (y.is_negative ? -1 : 1);
  if (sign_x != sign_y) return sign_x - sign_y;
  if (sign_x == 0) return 0;
  if (x.exponent != y.exponent) return x.exponent < y.exponent ? -sign_x : sign_x;
  const int order = x.digits.compare(y.digits);
  return order == 0 ? 0 : (order < 0 ? -sign_x : sign_x);
}

void MergePatch(Value& target, const Value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Value::MakeObject();
  MergeObject(target.object(), patch.object());
}

void QuoteTo(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
    out.append(text, copied, i - copied);
    copied = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out.push_back(kHex[c >> 4]);
        out.push_back(kHex[c & 15]);
    }
  }
  out.append(text, copied, std::string_view::npos);
  out.push_back('"');
}

std::string Quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  QuoteTo(text, out);
  return out;
}

void PrintTo(const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::kNull: out += "null"; return;
    case Kind::kBool: out += value.AsBool() ? "true" : "false"; return;
    case Kind::kNumber: out += value.NumberText(); return;
    case Kind::kString: QuoteTo(value.AsString(), out); return;
    case Kind::kArray: {
      char separator = '[';
      for (const Value& element : value.array()) {
        out.push_back(separator);
        PrintTo(element, out);
        separator = ',';
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    case Kind::kObject: {
      char separator = '{';
      for (const Member& member : value.object()) {
        out.push_back(separator);
        QuoteTo(member.key, out);
        out.push_back(':');
        PrintTo(member.value, out);
        separator = ',';
      }
      out += separator == '{' ? "{}" : "}";
      return;
    }
  }
}

std::string Print(const Value& value) {
  std::string out;
  PrintTo(value, out);
  return out;
}

std::string Compact(std::string_view valid_json) {
  std::string out;
  CompactTo(valid_json, out);
  return out;
}

// Documents of whole pages go through here: what is copied is written without asking for room byte by byte.
void CompactTo(std::string_view valid_json, std::string& out) {
  const size_t start = out.size();
  out.resize(start + valid_json.size());
  char* to = out.data() + start;
  bool is_in_string = false;
  for (size_t i = 0; i < valid_json.size(); ++i) {
    const char c = valid_json[i];
    if (is_in_string && c == '\\') {
      *to++ = c;
      *to++ = valid_json[++i];
      continue;
    }
    if (c == '"') is_in_string = !is_in_string;
    const bool is_space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (is_in_string || !is_space) *to++ = c;
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

bool IsValidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int extra = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || i + extra >= text.size()) return false;
    uint32_t point = lead & (0x3F >> extra);
    for (int k = 1; k <= extra; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0) != 0x80) return false;
      point = (point << 6) | (byte & 0x3F);
    }
    const bool is_overlong = (extra == 2 && point < 0x800) || (extra == 3 && point < 0x10000);
    if (is_overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += extra + 1;
  }
  return true;
}

std::string_view ClipUtf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace fleetcast::json
