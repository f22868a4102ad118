#include "libs/query/interpreter.h"

#include <charconv>
#include <cmath>

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

Result Number(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), number);
  return Value::NumberLiteral(std::string(text, end));
}

Result Calculate(const Expr& expr, const Value& document) {
  const Result a = Evaluate(expr.args[0], document);
  const Result b = Evaluate(expr.args[1], document);
  if (!a || !b || !a->is_number() || !b->is_number()) return std::nullopt;
  const double x = a->AsDouble();
  const double y = b->AsDouble();
  switch (expr.arithmetic) {
    case Arithmetic::kAdd: return Number(x + y);
    case Arithmetic::kSubtract: return Number(x - y);
    case Arithmetic::kMultiply: return Number(x * y);
    case Arithmetic::kDivide: return y == 0 ? std::nullopt : Number(x / y);
    case Arithmetic::kRemainder: return y == 0 ? std::nullopt : Number(std::fmod(x, y));
  }
  return std::nullopt;
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

Result Call(const Expr& expr, const Value& document) {
  const Result a = Evaluate(expr.args[0], document);
  if (expr.args.size() == 1) return Value::Bool(a.has_value() && HasKind(expr.function, *a));
  const Result b = Evaluate(expr.args[1], document);
  if (!a || !b) return std::nullopt;
  if (expr.function == Function::kArrayContains) return ArrayContains(*a, *b);
  if (!a->is_string() || !b->is_string()) return std::nullopt;
  const std::string& text = a->AsString();
  const std::string& part = b->AsString();
  switch (expr.function) {
    case Function::kStartsWith: return Value::Bool(text.starts_with(part));
    case Function::kEndsWith: return Value::Bool(text.ends_with(part));
    default: return Value::Bool(text.find(part) != std::string::npos);
  }
}

Result Sign(const Expr& expr, const Value& document) {
  const Result inner = Evaluate(expr.args[0], document);
  if (!inner || !inner->is_number()) return std::nullopt;
  return Number(expr.is_negated ? -inner->AsDouble() : inner->AsDouble());
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
    case Expr::Kind::kArithmetic: return Calculate(expr, document);
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

Value Project(const std::vector<SelectItem>& items, const Value& document) {
  Value row = Value::MakeObject();
  for (const SelectItem& item : items) {
    if (const Value* value = Resolve(item.path, document)) row.Set(item.name, *value);
  }
  return row;
}

}  // namespace fleetcast::query
