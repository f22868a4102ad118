#include "libs/query/sql.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/query/interpreter.h"
#include "libs/query/sql_compiler.h"

namespace fleetcast::query {
namespace {

// Replaces what has no path in it by its value. True when `expr` is a constant itself.
bool Fold(Expr& expr) {
  if (expr.kind == Expr::Kind::kLiteral || expr.kind == Expr::Kind::kUndefined) return true;
  if (expr.kind == Expr::Kind::kPath) return false;
  bool is_constant = true;
  for (Expr& arg : expr.args) is_constant &= Fold(arg);
  if (!is_constant) return false;
  std::optional<json::Value> value = Evaluate(expr, json::Value());
  expr.args.clear();
  expr.kind = value ? Expr::Kind::kLiteral : Expr::Kind::kUndefined;
  if (value) expr.literal = *std::move(value);
  return true;
}

}  // namespace

namespace internal {

Sql Compiler::Finish(std::string_view text, int first_parameter) {
  Sql sql;
  sql.uses = uses_;
  sql.is_indexed = is_indexed_;
  std::vector<size_t> number_of(parameters_.size(), 0);
  while (true) {
    const size_t at = text.find('$');
    sql.text.append(text.substr(0, at));
    if (at == std::string_view::npos) return sql;
    size_t index = 0;
    const auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), index);
    if (error != std::errc()) {  // A $ of a jsonpath or a regular expression.
      sql.text.push_back('$');
      text.remove_prefix(at + 1);
      continue;
    }
    if (number_of[index] == 0) {
      sql.parameters.push_back(std::move(parameters_[index]));
      number_of[index] = sql.parameters.size();
    }
    absl::StrAppend(&sql.text, "$", static_cast<size_t>(first_parameter) + number_of[index] - 1);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
}

}  // namespace internal

Sql CompileCondition(const Expr& expr, const Binding& binding, int first_parameter) {
  Expr folded = expr;
  Fold(folded);
  internal::Compiler compiler(binding, false);
  const std::string text = compiler.Truth(folded, false);
  return compiler.Finish(text, first_parameter);
}

Sql CompilePath(const Path& path, PathForm form, const Binding& binding, int first_parameter) {
  internal::Compiler compiler(binding, false);
  const std::string text = compiler.PathAs(path, form);
  return compiler.Finish(text, first_parameter);
}

std::vector<IndexExpression> IndexExpressions(const Path& path, const Binding& binding) {
  internal::Compiler compiler(binding, true);
  const internal::Operand operand = compiler.Locate(path);
  if (!operand.is_json() || operand.below.empty()) return {};
  return {{PathForm::kText, compiler.PathAs(path, PathForm::kText)},
          {PathForm::kNumber, compiler.PathAs(path, PathForm::kNumber)}};
}

std::string ArrayLiteral(const std::vector<std::string>& elements) {
  std::string out = "{";
  for (const std::string& element : elements) {
    if (out.size() > 1) out.push_back(',');
    out.push_back('"');
    for (const char c : element) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  out.push_back('}');
  return out;
}

}  // namespace fleetcast::query
