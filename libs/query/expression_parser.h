// Recursive descent over the tokens of an expression, one function per rule of the grammar (query-language.md 3). AND
// and OR chains become one node each, so that only brackets, NOT, signs and calls nest; those are counted. Used by the
// parser of whole queries only.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/query/lexer.h"
#include "libs/query/query.h"

namespace fleetcast::query {

// An aggregate's name; kNone for any other word.
Aggregate FindAggregate(std::string_view name);

// One thread. A failed call leaves the parser at the offending token.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, const Limits& limits, Profile profile, std::string_view reason)
      : tokens_(std::move(tokens)), limits_(limits), profile_(profile), reason_(reason) {}

  absl::StatusOr<Expr> Expression();
  absl::StatusOr<Path> PathOnly();

  // --- Tokens ---
  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Take() { return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_[at_]; }
  static bool IsSymbol(const Token& token, std::string_view symbol) {
    return token.kind == Token::Kind::kSymbol && token.text == symbol;
  }
  bool IsSymbol(std::string_view symbol) const { return IsSymbol(Now(), symbol); }
  bool IsWord(std::string_view word) const;
  bool IsReservedWord() const;
  bool IsEnd() const { return Now().kind == Token::Kind::kEnd; }
  bool TakeSymbol(std::string_view symbol) { return IsSymbol(symbol) && (Take(), true); }
  bool TakeWord(std::string_view word) { return IsWord(word) && (Take(), true); }
  absl::Status ExpectSymbol(std::string_view symbol) { return TakeSymbol(symbol) ? absl::OkStatus() : Unexpected(); }
  absl::Status ExpectWord(std::string_view word) { return TakeWord(word) ? absl::OkStatus() : Unexpected(); }

  // --- Errors, at the token that is next ---
  absl::Status Error(std::string_view message) const { return ErrorAt(reason_, Now().position, message); }
  absl::Status Unexpected() const;
  // An error when the strict profile is on: `what` is an extension of ours.
  absl::Status Extension(std::string_view what) const;

  absl::Status CountTerm();
  bool is_strict() const { return profile_ == Profile::kStrict; }
  std::string_view reason() const { return reason_; }

 private:
  using Rule = absl::StatusOr<Expr> (ExpressionParser::*)();

  absl::Status Enter();
  Expr Make(Expr::Kind kind, Position position) const;
  Expr Literal(json::Value value);

  absl::StatusOr<Expr> AndChain();
  absl::StatusOr<Expr> Chain(Expr::Kind kind, std::string_view word, Rule part);
  absl::StatusOr<Expr> Not();
  absl::StatusOr<Expr> Predicate();
  absl::StatusOr<Expr> Membership(Expr subject);
  absl::Status InList(std::vector<Expr>& out);
  absl::Status Elements(std::string_view close, std::vector<Expr>& out);
  absl::StatusOr<Expr> Additive();
  absl::StatusOr<Expr> Multiplicative();
  absl::StatusOr<Expr> Operation(Expr left, Arithmetic arithmetic, Rule operand);
  absl::StatusOr<Expr> Unary();
  absl::StatusOr<Expr> Primary();
  absl::StatusOr<Expr> Named();
  absl::StatusOr<Expr> Call();
  absl::StatusOr<Expr> PathExpr();
  absl::Status Member(Path& path);
  absl::Status BracketMember(Path& path);

  std::vector<Token> tokens_;
  const Limits limits_;
  const Profile profile_;
  const std::string_view reason_;
  size_t at_ = 0;
  int depth_ = 0;
  int terms_ = 0;
  int call_depth_ = 0;
};

}  // namespace fleetcast::query
