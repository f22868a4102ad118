// The compiler behind sql.h: one walk over the tree. Its parts: sql.cc (entry points), sql_operands.cc (columns,
// types), sql_logic.cc (connectives, IN), sql_compare.cc, sql_calls.cc (arithmetic, functions).
//
// The type of everything computed is known while compiling; only paths into documents have a type per row. SQL for
// something computed is used once in the SQL around it (else its size would double with each level): where it is needed
// twice, it is bound to a name first (Bind). Paths are short and may be repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/query/query.h"
#include "libs/query/sql.h"

namespace fleetcast::query::internal {

inline constexpr std::string_view kUndefinedBoolean = "NULL::boolean";

// What an expression is in SQL.
struct Operand {
  enum class Type : uint8_t {
    kUndefined,
    kLiteral,  // `literal`
    kText,
    kBool,
    kNumber,  // numeric
    kTime,
    kJson,
    kObject,  // defined, but nothing that compares
    kList,    // `list`: an array of expressions
  };
  Type type = Type::kUndefined;
  std::string sql;        // Not for kUndefined, kLiteral, kObject, kList.
  std::string time_text;  // kTime: the text that the document shows.
  const json::Value* literal = nullptr;
  const Expr* list = nullptr;
  const Column* column = nullptr;  // Paths.
  std::vector<Segment> below;      // kJson paths: the segments below the column.
  bool is_leaf = false;            // `sql` is short: it may be repeated.
  bool is_time_text = false;       // kJson: a $lastUpdated.
  bool is_indexed = false;         // kJson: one of Binding::indexed_paths.

  bool is_time() const { return type == Type::kTime || is_time_text; }
  bool is_literal() const { return type == Type::kLiteral; }
  bool is_json() const { return type == Type::kJson; }
  // Nothing that a comparison could be true for.
  bool is_incomparable() const;
};

// How a comparison may be answered: true exactly when it is true (false and NULL may stand for each other), or with all
// three values.
enum class Want : uint8_t { kTruth, kThreeValues };

class Compiler {
 public:
  // `inlines`: values become SQL literals instead of parameters. For index definitions only, whose text is an
  // operator's.
  Compiler(const Binding& binding, bool inlines) : binding_(binding), inlines_(inlines) {}

  // True exactly when `expr`, negated if told so, is true.
  std::string Truth(const Expr& expr, bool is_negated);
  std::string PathAs(const Path& path, PathForm form);
  Operand Locate(const Path& path);

  // `text` with its parameters numbered; those it no longer uses are dropped, for PostgreSQL refuses them.
  Sql Finish(std::string_view text, int first_parameter);

 private:
  using Type = Operand::Type;

  // --- sql_operands.cc ---
  Operand Compile(const Expr& expr);
  std::string Boolean(const Expr& expr);  // Three-valued.
  std::string Descend(std::string sql, const std::vector<Segment>& below);
  std::string Parameter(std::string value, std::string_view type);
  static Operand Computed(Type type, std::string sql);
  std::string AsNumber(const Operand& operand);
  std::string AsText(const Operand& operand);
  std::string AsJson(const Operand& operand);
  static std::string AsBoolean(const Operand& operand);
  // "… IS NOT NULL", as often as it must be said.
  static std::string Defined(const Operand& operand);
  // `use` of `operand`, which it may repeat.
  std::string Bind(const Operand& operand, const std::function<std::string(const Operand&)>& use);
  std::string Bind(std::string sql, const std::function<std::string(std::string_view)>& use);

  // --- sql_logic.cc ---
  std::string TruthOfAll(const Expr& expr, bool is_and, bool is_negated);
  std::string Connect(const Expr& expr, bool is_and, const std::function<std::string(const Expr&)>& part);
  std::string In(const Expr& expr, bool is_negated, Want want);
  std::string InElements(const Operand& subject, const Expr* elements, size_t count, bool is_negated, Want want);
  std::string FoundIn(const Operand& subject, const Expr* elements, size_t count, Want want);
  std::string FoundInLiterals(const Operand& subject, const std::vector<const json::Value*>& literals, Want want);
  std::string FoundTime(const Operand& subject, const std::vector<const json::Value*>& literals);
  std::string FoundJson(const Operand& subject, const std::vector<const json::Value*>& literals, Want want);

  // --- sql_compare.cc ---
  std::string Compare(const Expr& expr, Comparison comparison, Want want);
  std::string CompareOperands(Operand left, Operand right, Comparison comparison, Want want);
  std::string CompareTyped(const Operand& left, const Operand& right, Comparison comparison);
  std::string CompareJson(const Operand& left, const Operand& right, Comparison comparison, Want want);
  std::string CompareTwoJson(const Operand& left, const Operand& right, Comparison comparison);
  std::string CompareTime(const Operand& time, const Operand& other, Comparison comparison);
  // The instant that a text spells, as NormalizeTime reads it; NULL for other texts.
  std::string InstantOf(std::string text);
  std::string CompareTimeText(const Operand& time, const std::string& text, Comparison comparison);
  static bool CanContain(const Operand& operand);
  std::string Contains(const Operand& left, const std::string& value);

  // --- sql_calls.cc ---
  Operand Calculation(const Expr& expr);
  Operand Call(const Expr& expr);
  std::string TypeTest(Function function, const Operand& subject);
  std::string ArrayContains(const Expr& expr, Want want);
  std::string NumberCall(const Expr& expr);
  std::string TextCall(const Expr& expr);
  std::string Substring(const Expr& expr);
  std::string PowerOf(const Expr& expr);
  std::string NumberOfText(const Operand& operand);

  const Binding& binding_;
  const bool inlines_;
  std::vector<std::string> parameters_;
  uint32_t uses_ = 0;
  bool is_indexed_ = false;  // Sql::is_indexed, of what Truth has last made.
  int bindings_ = 0;
};

}  // namespace fleetcast::query::internal
