#include "libs/query/functions.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace fleetcast::query {
namespace {

constexpr int kConcatArgumentsMax = 64;

constexpr ResultType kBool = ResultType::kBool;
constexpr ResultType kNumber = ResultType::kNumber;
constexpr ResultType kText = ResultType::kText;

constexpr FunctionInfo kFunctions[] = {{"IS_DEFINED", Function::kIsDefined, 1, 1, kBool, true},
                                       {"IS_NULL", Function::kIsNull, 1, 1, kBool},
                                       {"IS_NUMBER", Function::kIsNumber, 1, 1, kBool},
                                       {"IS_STRING", Function::kIsString, 1, 1, kBool},
                                       {"IS_BOOL", Function::kIsBool, 1, 1, kBool},
                                       {"IS_OBJECT", Function::kIsObject, 1, 1, kBool},
                                       {"IS_ARRAY", Function::kIsArray, 1, 1, kBool},
                                       {"IS_PRIMITIVE", Function::kIsPrimitive, 1, 1, kBool},
                                       {"STARTSWITH", Function::kStartsWith, 2, 2, kBool, true},
                                       {"STARTS_WITH", Function::kStartsWith, 2, 2, kBool},
                                       {"ENDSWITH", Function::kEndsWith, 2, 2, kBool, true},
                                       {"ENDS_WITH", Function::kEndsWith, 2, 2, kBool},
                                       {"CONTAINS", Function::kContains, 2, 2, kBool},
                                       {"ARRAY_CONTAINS", Function::kArrayContains, 2, 2, kBool, true},
                                       {"LOWER", Function::kLower, 1, 1, kText},
                                       {"UPPER", Function::kUpper, 1, 1, kText},
                                       {"CONCAT", Function::kConcat, 2, kConcatArgumentsMax, kText},
                                       {"SUBSTRING", Function::kSubstring, 2, 3, kText},
                                       {"LENGTH", Function::kLength, 1, 1, kNumber},
                                       {"INDEX_OF", Function::kIndexOf, 2, 2, kNumber},
                                       {"AS_NUMBER", Function::kAsNumber, 1, 1, kNumber},
                                       {"ABS", Function::kAbs, 1, 1, kNumber},
                                       {"CEILING", Function::kCeiling, 1, 1, kNumber},
                                       {"FLOOR", Function::kFloor, 1, 1, kNumber},
                                       {"SIGN", Function::kSign, 1, 1, kNumber},
                                       {"SQRT", Function::kSqrt, 1, 1, kNumber},
                                       {"SQUARE", Function::kSquare, 1, 1, kNumber},
                                       {"POWER", Function::kPower, 2, 2, kNumber},
                                       {"EXP", Function::kExp, 1, 1, kNumber}};

}  // namespace

const FunctionInfo* FindFunction(std::string_view name) {
  for (const FunctionInfo& info : kFunctions) {
    if (absl::EqualsIgnoreCase(Absl(info.name), Absl(name))) return &info;
  }
  return nullptr;
}

ResultType ResultOf(Function function) {
  const FunctionInfo* const info = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                                [&](const FunctionInfo& each) { return each.function == function; });
  return info->result;
}

bool IsTypeTest(Function function) { return function <= Function::kIsPrimitive; }

}  // namespace fleetcast::query
