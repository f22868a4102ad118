#include "services/twin/store/query_generator.h"

namespace fleetcast::twin {

// splitmix64.
uint64_t QueryGenerator::Next() {
  state_ += 0x9E3779B97F4A7C15;
  uint64_t x = state_;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::string QueryGenerator::Leaf() {
  static constexpr const char* kLeaves[] = {"0",
                                            "1",
                                            "1.0",
                                            "2",
                                            "-3.5",
                                            "1e2",
                                            "100",
                                            "0.1",
                                            "1e308",
                                            "-1e308",
                                            "1e-300",
                                            "1e200",
                                            "123456789.123456789",
                                            "true",
                                            "false",
                                            "\"\"",
                                            "\"a\"",
                                            "\"B\"",
                                            "\"ab\"",
                                            "\"2\"",
                                            "\"-1.5e1\"",
                                            "\"\u00e9\"",
                                            "\"a\u20ac\U0001F600b\"",
                                            "\"0\"",
                                            "\"true\"",
                                            "\"a\\\\b\\\"'\"",
                                            "[]",
                                            "[1,\"a\"]",
                                            "[1.0,true,[2]]",
                                            "{}",
                                            "\"2026-03-04\"",
                                            "\"2026-02-29\"",
                                            "\"2026-03-04T05:06:07.1234567Z\"",
                                            "\"2026-03-04T07:06:07.123456+02:00\"",
                                            "\"0001-01-01T00:00:00Z\"",
                                            "\"9999-12-31T23:59:59-01:00\"",
                                            "[[1],2]"};
  return Pick(kLeaves);
}

std::string QueryGenerator::Document(int depth) {
  static constexpr const char* kKeys[] = {"a", "b", "c", "0", "1", "k-1", "group"};
  std::string out = "{";
  for (const char* key : kKeys) {
    if (Below(3) == 0) continue;
    if (out.size() > 1) out += ",";
    out += std::string("\"") + key + "\":" + (depth > 0 && Below(3) == 0 ? Document(depth - 1) : Leaf());
  }
  return out + "}";
}

std::string QueryGenerator::Path() {
  static constexpr const char* kRoots[] = {"tags", "properties.desired", "Properties.REPORTED", "devices.tags"};
  static constexpr const char* kSteps[] = {".a",     ".b",  ".c",  ".[[0]]", ".[[k-1]]",
                                           ".group", "[0]", "[1]", "['a']",  ".nothing"};
  static constexpr const char* kSystem[] = {"deviceId",
                                            "DEVICEID",
                                            "id",
                                            "status",
                                            "connectionState",
                                            "version",
                                            "etag",
                                            "deviceEtag",
                                            "properties.desired.$version",
                                            "capabilities.iotEdge",
                                            "capabilities",
                                            "deviceScope",
                                            "parentScopes",
                                            "parentScopes[0]",
                                            "nothing",
                                            "statusReason",
                                            "properties",
                                            "tags",
                                            "x509Thumbprint",
                                            "x509Thumbprint.primaryThumbprint",
                                            "deviceId.x",
                                            "modelId",
                                            "authenticationType",
                                            "cloudToDeviceMessageCount",
                                            "lastActivityTime",
                                            "lastActivityTime",
                                            "statusUpdateTime",
                                            "properties.desired.$metadata.a",
                                            "properties.desired.$metadata.$lastUpdated",
                                            "properties.reported.$metadata.a.$lastUpdated",
                                            "properties.desired.$metadata.a.$lastUpdatedVersion"};
  if (Below(4) == 0) return Pick(kSystem);
  std::string path = Pick(kRoots) + Pick(kSteps);
  while (Below(3) == 0) path += Pick(kSteps);
  return path;
}

std::string QueryGenerator::Literal() {
  static constexpr const char* kLiterals[] = {"0",
                                              "1",
                                              "1.0",
                                              "2",
                                              "-3.5",
                                              "100",
                                              "0x64",
                                              "0.10",
                                              "1e308",
                                              "1e-300",
                                              "3",
                                              "true",
                                              "false",
                                              "null",
                                              "undefined",
                                              "''",
                                              "'a'",
                                              "'B'",
                                              "\"ab\"",
                                              "'2'",
                                              "'\u00e9'",
                                              "'\u20ac'",
                                              "'it''s'",
                                              "'$1 $$ -- /* %_'",
                                              "'enabled'",
                                              "'Connected'",
                                              "'d3'",
                                              "'0'",
                                              "'sas'",
                                              "'ms-azure-iot-edge://a'",
                                              "'AAAAAAAAAAI='",
                                              "'2026-03-04'",
                                              "'2026-03-04T05:06:07.123456Z'",
                                              "'0001-01-01T00:00:00Z'",
                                              "'2026-02-30'",
                                              "[]",
                                              "[1, 'a']"};
  return Pick(kLiterals);
}

std::string QueryGenerator::List(int depth) {
  std::string out = "[ ";  // Two brackets would begin a quoted name.
  for (uint64_t i = Below(4); i > 0; --i) {
    out += (Below(3) == 0 && depth > 0 ? Value(depth - 1) : Literal()) + (i > 1 ? "," : "");
  }
  return out + "]";
}

std::string QueryGenerator::Number(int depth) {
  static constexpr const char* kOperators[] = {" + ", " - ", " * ", " / ", " % "};
  static constexpr const char* kFunctions[] = {"ABS",    "CEILING", "floor",  "SIGN",      "SQRT",
                                               "SQUARE", "EXP",     "LENGTH", "AS_NUMBER", "AS_NUMBER"};
  if (depth <= 0) return Below(2) == 0 ? Path() : Literal();
  switch (Below(6)) {
    case 0: return Pick(kFunctions) + "(" + Value(depth - 1) + ")";
    case 1: return "POWER(" + Number(depth - 1) + ", " + Number(depth - 1) + ")";
    case 2: return "INDEX_OF(" + Text(depth - 1) + ", " + Text(depth - 1) + ")";
    case 3: return std::string(Below(2) == 0 ? "-" : "+") + "(" + Number(depth - 1) + ")";
    default: return "(" + Number(depth - 1) + Pick(kOperators) + Number(depth - 1) + ")";
  }
}

std::string QueryGenerator::Text(int depth) {
  static constexpr const char* kFunctions[] = {"LOWER", "UPPER"};
  if (depth <= 0) return Below(2) == 0 ? Path() : Literal();
  switch (Below(4)) {
    case 0: return Pick(kFunctions) + "(" + Text(depth - 1) + ")";
    case 1: return "CONCAT(" + Text(depth - 1) + ", " + Text(depth - 1) + ", 'x')";
    case 2: return "SUBSTRING(" + Text(depth - 1) + ", " + Number(depth - 1) + ")";
    default: return "SUBSTRING(" + Text(depth - 1) + ", " + Number(depth - 1) + ", " + Number(depth - 1) + ")";
  }
}

std::string QueryGenerator::Value(int depth) {
  if (depth <= 0) return Below(2) == 0 ? Path() : Literal();
  switch (Below(8)) {
    case 0: return Number(depth);
    case 1: return Text(depth);
    case 2: return "(" + Condition(depth - 1) + ")";
    case 3: return List(depth - 1);
    case 4: return Literal();
    default: return Path();
  }
}

std::string QueryGenerator::Test(int depth) {
  static constexpr const char* kComparisons[] = {" = ", " != ", " <> ", " < ", " <= ", " > ", " >= ", " = "};
  static constexpr const char* kTests[] = {"IS_DEFINED", "IS_NULL",   "IS_NUMBER", "IS_STRING",
                                           "IS_BOOL",    "IS_OBJECT", "IS_ARRAY",  "IS_PRIMITIVE"};
  static constexpr const char* kTexts[] = {"STARTSWITH", "endswith", "CONTAINS"};
  static constexpr const char* kIn[] = {" IN ", " NIN ", " NOT IN "};
  switch (Below(12)) {
    case 0:
    case 1: return Value(depth) + Pick(kIn) + List(depth);
    case 2: return Pick(kTests) + "(" + Value(depth) + ")";
    case 3: return Pick(kTexts) + "(" + Text(depth) + ", " + Text(depth - 1) + ")";
    case 4: return "ARRAY_CONTAINS(" + (Below(3) == 0 ? List(depth) : Path()) + ", " + Value(depth - 1) + ")";
    case 5: return Path() + Pick(kComparisons) + Path();
    case 6: return Literal() + Pick(kComparisons) + Path();
    case 7: return Path();
    case 8: return Value(depth) + Pick(kComparisons) + Value(depth);
    default: return Path() + Pick(kComparisons) + Literal();
  }
}

std::string QueryGenerator::Condition(int depth) {
  if (depth > 0) {
    switch (Below(4)) {
      case 0: return "(" + Condition(depth - 1) + " AND " + Condition(depth - 1) + ")";
      case 1: return "(" + Condition(depth - 1) + " OR " + Condition(depth - 1) + ")";
      case 2: return "NOT (" + Condition(depth - 1) + ")";
      default: break;
    }
  }
  return Test(depth);
}

std::string QueryGenerator::GroupQuery() {
  static constexpr const char* kAggregates[] = {"AVG", "SUM", "MIN", "max"};
  std::string keys;
  std::string items;
  for (uint64_t i = Below(3); i > 0; --i) {
    const std::string path = Path();
    keys += (keys.empty() ? " GROUP BY " : ", ") + path;
    items += path + ", ";
  }
  items += "COUNT()";
  for (uint64_t i = Below(4); i > 0; --i) items += ", " + Pick(kAggregates) + "(" + Path() + ")";
  return "SELECT " + items + " FROM devices" + (Below(2) == 0 ? "" : " WHERE " + Condition(1)) + keys;
}

std::string QueryGenerator::Projection() {
  std::string items = Path();
  for (uint64_t i = Below(4); i > 0; --i) items += ", " + Path() + (Below(2) == 0 ? " AS x" : "");
  return "SELECT " + items + " FROM devices" + (Below(3) == 0 ? "" : " WHERE " + Condition(1));
}

}  // namespace fleetcast::twin
