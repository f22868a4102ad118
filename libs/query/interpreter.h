// The meaning of expressions, on documents: the reference that the SQL compiler is tested against, and what evaluates
// conditions over rows that are not in a database (devices.jobs). Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "libs/json/json.h"
#include "libs/query/query.h"

namespace fleetcast::query {

// The value of `expr` on `document`; nullopt = undefined. Times compare as query-language.md 4.1 says; everything else
// as 4.2 and 4.3. Never an error.
std::optional<json::Value> Evaluate(const Expr& expr, const json::Value& document);

// True when `expr` is exactly true on `document`.
bool Matches(const Expr& expr, const json::Value& document);

// What `path` leads to; nullptr = undefined.
const json::Value* Resolve(const Path& path, const json::Value& document);

// What a calculation of numbers.h gave, as a value. nullopt: undefined.
inline std::optional<json::Value> NumberValue(std::optional<std::string> literal) {
  if (!literal) return std::nullopt;
  return json::Value::NumberLiteral(*std::move(literal));
}

}  // namespace fleetcast::query
