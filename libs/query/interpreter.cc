#include "libs/query/interpreter.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "libs/query/functions.h"
#include "libs/query/numbers.h"

namespace fleetcast::query {
namespace {

using json::Kind;
using json::Value;
using Result = std::optional<Value>;

bool IsPrimitive(const Value& value) { return !value.is_array() && !value.is_object(); }

// Both operands brought to comparable text when one of them is a time; false when they are not both times.
bool AsTimes(const Value& a, const Value& b, std::string& x, std::string& y) {
  if (!a.is_string() || !b.is_string()) return false;
  const std::optional<std::string> left = NormalizeTime(a.AsString());
  const std::optional<std::string> right = NormalizeTime(b.AsString());
  if (!left || !right) return false;
  x = *left;
  y = *right;
  return true;
}

// <0, 0, >0; nullopt when the two have no order.
std::optional<int> Order(const Value& a, const Value& b, bool is_time) {
  if (a.kind() != b.kind()) return std::nullopt;
  if (a.is_number()) return json::CompareNumbers(a.NumberText(), b.NumberText());
  if (a.is_bool()) return static_cast<int>(a.AsBool()) - static_cast<int>(b.AsBool());
  if (!a.is_string()) return std::nullopt;
  std::string x;
  std::string y;
  if (is_time && AsTimes(a, b, x, y)) return x.compare(y);
  return a.AsString().compare(b.AsString());
}

// nullopt when one side is no primitive.
std::optional<bool> Equal(const Value& a, const Value& b, bool is_time) {
  if (!IsPrimitive(a) || !IsPrimitive(b)) return std::nullopt;
  if (a.is_null() && b.is_null()) return true;
  const std::optional<int> order = Order(a, b, is_time);
  return order.has_value() && *order == 0;
}

bool IsTime(const Expr& expr) { return expr.kind == Expr::Kind::kPath && IsTimePath(expr.path); }

Result Compare(const Expr& expr, const Value& document) {
  const Result a = Evaluate(expr.args[0], document);
  const Result b = Evaluate(expr.args[1], document);
  if (!a || !b) return std::nullopt;
  const bool is_time = IsTime(expr.args[0]) || IsTime(expr.args[1]);
  if (expr.comparison == Comparison::kEqual || expr.comparison == Comparison::kNotEqual) {
    const std::optional<bool> equal = Equal(*a, *b, is_time);
    if (!equal) return std::nullopt;
    return Value::Bool(*equal == (expr.comparison == Comparison::kEqual));
  }
  const std::optional<int> order = Order(*a, *b, is_time);
  if (!order) return std::nullopt;
  switch (expr.comparison) {
    case Comparison::kLess: return Value::Bool(*order < 0);
    case Comparison::kLessEqual: return Value::Bool(*order <= 0);
    case Comparison::kGreater: return Value::Bool(*order > 0);
    default: return Value::Bool(*order >= 0);
  }
}

Result In(const Expr& expr, const Value& document) {
  const Result subject = Evaluate(expr.args[0], document);
  if (!subject) return std::nullopt;
  bool is_found = false;
  for (size_t i = 1; i < expr.args.size() && !is_found; ++i) {
    const Result element = Evaluate(expr.args[i], document);
    if (!element) continue;
    is_found = Equal(*subject, *element, IsTime(expr.args[0]) || IsTime(expr.args[i])).value_or(false);
  }
  return Value::Bool(is_found != expr.is_negated);
}

// AND is false and OR is true as soon as one side is; else undefined wins over the neutral value.
Result Connect(const Expr& expr, const Value& document) {
  const bool decisive = expr.kind == Expr::Kind::kOr;
  bool is_undefined = false;
  for (const Expr& arg : expr.args) {
    const Result value = Evaluate(arg, document);
    if (!value || !value->is_bool()) {
      is_undefined = true;
    } else if (value->AsBool() == decisive) {
      return Value::Bool(decisive);
    }
  }
  if (is_undefined) return std::nullopt;
  return Value::Bool(!decisive);
}

Result Calculated(const Expr& expr, const Value& document) {
  const Result a = Evaluate(expr.args[0], document);
  const Result b = Evaluate(expr.args[1], document);
  if (!a || !b || !a->is_number() || !b->is_number()) return std::nullopt;
  return NumberValue(Calculate(expr.arithmetic, a->NumberText(), b->NumberText()));
}

bool HasKind(Function function, const Value& value) {
  switch (function) {
    case Function::kIsNull: return value.is_null();
    case Function::kIsNumber: return value.is_number();
    case Function::kIsString: return value.is_string();
    case Function::kIsBool: return value.is_bool();
    case Function::kIsObject: return value.is_object();
    case Function::kIsArray: return value.is_array();
    case Function::kIsPrimitive: return IsPrimitive(value);
    default: return true;  // IS_DEFINED
  }
}

Result ArrayContains(const Value& array, const Value& wanted) {
  if (!array.is_array() || !IsPrimitive(wanted)) return std::nullopt;
  for (const Value& element : array.array()) {
    if (Equal(element, wanted, false).value_or(false)) return Value::Bool(true);
  }
  return Value::Bool(false);
}

// Characters (code points) of valid UTF-8.
size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The byte at which character `n` begins; the end for texts that are shorter.
size_t ByteOf(std::string_view text, size_t n) {
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) == 0x80) continue;
    if (n-- == 0) return i;
  }
  return text.size();
}

Result Substring(const std::vector<Value>& args) {
  const bool is_good = args[0].is_string() && args[1].is_number() && (args.size() < 3 || args[2].is_number());
  if (!is_good) return std::nullopt;
  const std::optional<size_t> start = WholePart(args[1].NumberText(), kCharactersMax);
  const std::optional<size_t> length =
      args.size() < 3 ? kCharactersMax : WholePart(args[2].NumberText(), kCharactersMax);
  if (!start || !length) return std::nullopt;
  std::string_view text = args[0].AsString();
  text.remove_prefix(ByteOf(text, *start));
  return Value::String(text.substr(0, ByteOf(text, *length)));
}

Result IndexOf(const std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  const auto index = at == std::string::npos ? -1 : static_cast<int64_t>(Characters(text.substr(0, at)));
  return Value::Int(index);
}

Result TextFunction(Function function, const std::vector<Value>& args) {
  for (const Value& arg : args) {
    if (!arg.is_string()) return std::nullopt;
  }
  const std::string& text = args[0].AsString();
  switch (function) {
    case Function::kLower: return Value::String(absl::AsciiStrToLower(text));
    case Function::kUpper: return Value::String(absl::AsciiStrToUpper(text));
    case Function::kLength: return Value::Int(static_cast<int64_t>(Characters(text)));
    case Function::kConcat: {
      std::string all;
      for (const Value& arg : args) all += arg.AsString();
      return Value::String(all);
    }
    case Function::kIndexOf: return IndexOf(text, args[1].AsString());
    case Function::kStartsWith: return Value::Bool(text.starts_with(args[1].AsString()));
    case Function::kEndsWith: return Value::Bool(text.ends_with(args[1].AsString()));
    default: return Value::Bool(text.find(args[1].AsString()) != std::string::npos);  // CONTAINS
  }
}

Result NumberFunction(Function function, const std::vector<Value>& args) {
  for (const Value& arg : args) {
    if (!arg.is_number()) return std::nullopt;
  }
  if (function == Function::kPower) return NumberValue(Power(args[0].NumberText(), args[1].NumberText()));
  return NumberValue(CalculateUnary(function, args[0].NumberText()));
}

Result Call(const Expr& expr, const Value& document) {
  if (IsTypeTest(expr.function)) {
    const Result subject = Evaluate(expr.args[0], document);
    return Value::Bool(subject.has_value() && HasKind(expr.function, *subject));
  }
  std::vector<Value> args;
  for (const Expr& arg : expr.args) {
    Result value = Evaluate(arg, document);
    if (!value) return std::nullopt;
    args.push_back(*std::move(value));
  }
  switch (expr.function) {
    case Function::kArrayContains: return ArrayContains(args[0], args[1]);
    case Function::kSubstring: return Substring(args);
    case Function::kAsNumber:
      if (args[0].is_number()) return args[0];
      return args[0].is_string() ? NumberValue(NumberOfText(args[0].AsString())) : std::nullopt;
    case Function::kAbs:
    case Function::kCeiling:
    case Function::kFloor:
    case Function::kSign:
    case Function::kSqrt:
    case Function::kSquare:
    case Function::kPower:
    case Function::kExp: return NumberFunction(expr.function, args);
    default: return TextFunction(expr.function, args);
  }
}

Result Sign(const Expr& expr, const Value& document) {
  const Result inner = Evaluate(expr.args[0], document);
  if (!inner || !inner->is_number()) return std::nullopt;
  return expr.is_negated ? NumberValue(Negate(inner->NumberText())) : inner;
}

}  // namespace

Result Evaluate(const Expr& expr, const Value& document) {
  switch (expr.kind) {
    case Expr::Kind::kLiteral: return expr.literal;
    case Expr::Kind::kUndefined: return std::nullopt;
    case Expr::Kind::kPath: {
      const Value* found = Resolve(expr.path, document);
      return found == nullptr ? Result() : Result(*found);
    }
    case Expr::Kind::kList: {
      Value list = Value::MakeArray();
      for (const Expr& arg : expr.args) {
        if (Result element = Evaluate(arg, document)) list.array().push_back(*std::move(element));
      }
      return list;
    }
    case Expr::Kind::kCompare: return Compare(expr, document);
    case Expr::Kind::kIn: return In(expr, document);
    case Expr::Kind::kAnd:
    case Expr::Kind::kOr: return Connect(expr, document);
    case Expr::Kind::kNot: {
      const Result inner = Evaluate(expr.args[0], document);
      if (!inner || !inner->is_bool()) return std::nullopt;
      return Value::Bool(!inner->AsBool());
    }
    case Expr::Kind::kSign: return Sign(expr, document);
    case Expr::Kind::kArithmetic: return Calculated(expr, document);
    case Expr::Kind::kCall: return Call(expr, document);
  }
  return std::nullopt;
}

bool Matches(const Expr& expr, const Value& document) {
  const Result result = Evaluate(expr, document);
  return result && result->is_bool() && result->AsBool();
}

const Value* Resolve(const Path& path, const Value& document) {
  const Value* at = &document;
  for (const Segment& segment : path) {
    if (!segment.is_index) {
      at = at->Find(segment.name);
    } else {
      size_t index = 0;
      std::from_chars(segment.name.data(), segment.name.data() + segment.name.size(), index);
      at = at->is_array() && index < at->array().size() ? &at->array()[index] : nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

}  // namespace fleetcast::query
