// The functions of the language (query-language.md 4.3): names, arguments, types. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "libs/query/query.h"

namespace fleetcast::query {

enum class ResultType : uint8_t { kBool, kNumber, kText };

struct FunctionInfo {
  std::string_view name;
  Function function;
  int arguments_min;
  int arguments_max;
  ResultType result;
  bool is_strict = false;  // Part of Profile::kStrict.
};

// nullptr for an unknown name. Letter case does not matter.
const FunctionInfo* FindFunction(std::string_view name);

ResultType ResultOf(Function function);

// True for IS_DEFINED, IS_NULL … IS_PRIMITIVE: they are never undefined.
bool IsTypeTest(Function function);

}  // namespace fleetcast::query
