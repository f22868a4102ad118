#include "libs/json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace fleetcast::json {
namespace {

using ::testing::HasSubstr;

std::string RoundTrip(std::string_view text) {
  const absl::StatusOr<Value> value = Parse(text);
  return value.ok() ? Print(*value) : std::string(value.status().message());
}

bool IsRefused(std::string_view text, const Limits& limits = {}) {
  const absl::Status built = Parse(text, limits).status();
  const absl::Status checked = ValidateDocument(text, limits);
  EXPECT_EQ(built.ok(), checked.ok()) << text;
  EXPECT_EQ(built.message(), checked.message());
  return !built.ok();
}

TEST(JsonTest, KeepsNumberLiteralsAndMemberOrder) {
  EXPECT_EQ(RoundTrip(R"( { "z" : 1.0 , "a" : [ 1, -0.50, 1E+2, -0, 18446744073709551616 ] } )"),
            R"({"z":1.0,"a":[1,-0.50,1E+2,-0,18446744073709551616]})");
  EXPECT_EQ(RoundTrip("42"), "42");
  EXPECT_EQ(RoundTrip("[true,false,null,\"\"]"), "[true,false,null,\"\"]");
}

TEST(JsonTest, PrintsStringsSoThatTheyReadBackTheSame) {
  EXPECT_EQ(RoundTrip(R"("a\"b\\c\/d\b\f\n\r\t\u0001\u007f\u00e9\ud83d\ude00")"),
            "\"a\\\"b\\\\c/d\\u0008\\u000c\\n\\r\\t\\u0001\\u007f\u00e9\U0001F600\"");
  EXPECT_EQ(Quote("x\ny"), "\"x\\ny\"");
}

TEST(JsonTest, CompactDropsOnlyWhiteSpaceBetweenTokens) {
  EXPECT_EQ(Compact("{ \"a b\" :\n [ 1 , \"\\\" x\" ] }"), "{\"a b\":[1,\"\\\" x\"]}");
}

TEST(JsonTest, LastDuplicateWinsAtThePlaceOfTheFirst) {
  EXPECT_EQ(RoundTrip(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"k" + std::to_string(i % 50) + "\":" + std::to_string(i) + ",";
  const absl::StatusOr<Value> value = Parse(many + "\"end\":0}");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->object().size(), 51u);
  EXPECT_EQ(value->Find("k0")->AsInt(), 50);
}

TEST(JsonTest, RefusesWhatIsNotJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "nul",
                                      "NaN",
                                      "Infinity",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "'a'",
                                      "/*c*/1",
                                      "1 2",
                                      "{} {}",
                                      "{a:1}",
                                      "\xEF\xBB\xBF{}",
                                      "\"\x01\"",
                                      "\"\\x\"",
                                      "\"\xff\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\u0000\"",
                                      "{\"\\u0000\":1}",
                                      "\"open"}) {
    EXPECT_TRUE(IsRefused(text)) << text;
  }
  EXPECT_TRUE(IsRefused(std::string_view("\"a\0b\"", 5)));
}

TEST(JsonTest, RefusesNumbersThatNoDoubleHolds) {
  for (const std::string_view text : {"1e400", "-1e400", "1e130000", "0e130000", "1e-400", "1e99999999999999999999"}) {
    EXPECT_TRUE(IsRefused(text)) << text;
  }
  EXPECT_TRUE(IsRefused(std::string(1000, '1')));
  for (const std::string_view text : {"1e308", "5e-324", "-0", "0e10", "9007199254740993"}) {
    EXPECT_FALSE(IsRefused(text)) << text;
  }
}

// What the database holds it prints in full: that must be readable too.
TEST(JsonTest, RefusesNumbersThatAreTooLongWithoutExponent) {
  const std::string many(100, '7');
  EXPECT_FALSE(IsRefused("0." + many + "e-290"));
  EXPECT_TRUE(IsRefused("0." + many + "e-300"));
  EXPECT_TRUE(IsRefused("-1." + many + "e-300"));
  EXPECT_FALSE(IsRefused("1." + many + "e300"));
  EXPECT_TRUE(IsRefused("0e-399"));
}

TEST(JsonTest, TwinValuesHaveANarrowerIntegerRange) {
  Limits limits;
  limits.numbers = NumberRule::kTwinValue;
  EXPECT_FALSE(IsRefused("4503599627370495", limits));
  EXPECT_TRUE(IsRefused("4503599627370496", limits));
  EXPECT_FALSE(IsRefused("-4503599627370496", limits));
  EXPECT_TRUE(IsRefused("-4503599627370497", limits));
  EXPECT_FALSE(IsRefused("1e20", limits));
}

TEST(JsonTest, DepthIsLimitedBeforeATreeExists) {
  EXPECT_FALSE(IsRefused(std::string(32, '[') + std::string(32, ']')));
  EXPECT_TRUE(IsRefused(std::string(33, '[') + std::string(33, ']')));
  Limits limits;
  limits.bytes_max = 2'000'000;
  EXPECT_TRUE(IsRefused(std::string(1'000'000, '['), limits));
}

TEST(JsonTest, ErrorsSayWhereAndWhy) {
  const absl::Status error = ValidateDocument(R"({"tags":{"floors":[1,2,1e999]}})");
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetail detail = GetErrorDetail(error);
  EXPECT_EQ(detail.reason, kInvalidJson);
  EXPECT_EQ(detail.metadata.at("path"), "tags.floors[2]");
  EXPECT_EQ(detail.metadata.at("position"), "28");
  EXPECT_THAT(std::string(error.message()), HasSubstr("range of a double"));
  Limits limits;
  limits.bytes_max = 3;
  EXPECT_EQ(GetReason(ValidateDocument("[12]", limits)), kJsonTooLarge);
}

TEST(JsonTest, FindsAndChangesMembers) {
  Value value = *Parse(R"({"a":{"b":{"c":7}},"d":"x"})");
  EXPECT_EQ(value.FindPath({"a", "b", "c"})->AsInt(), 7);
  EXPECT_EQ(value.FindPath({"a", "x", "c"}), nullptr);
  EXPECT_EQ(value.FindPath({"d", "c"}), nullptr);
  value.Set("a", Value::Bool(true));
  value.Set("e", Value::Int(-3));
  EXPECT_TRUE(value.Remove("d"));
  EXPECT_FALSE(value.Remove("d"));
  EXPECT_EQ(Print(value), R"({"a":true,"e":-3})");
}

TEST(JsonTest, ComparesNumbersByTheirExactValue) {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"1", "1.0"}, {"100", "1e2"}, {"0", "-0.0"}, {"0.001", "1E-3"}, {"120", "1.2e+2"}, {"-5", "-50e-1"}}) {
    EXPECT_EQ(CompareNumbers(a, b), 0) << a << " " << b;
  }
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{{"1", "2"},
                                                                             {"-2", "-1"},
                                                                             {"-1", "0"},
                                                                             {"0", "0.001"},
                                                                             {"9", "10"},
                                                                             {"0.1", "0.11"},
                                                                             {"0.09", "0.1"},
                                                                             {"9007199254740992", "9007199254740993"},
                                                                             {"1e-5", "1e-4"},
                                                                             {"-1e10", "1"}}) {
    EXPECT_LT(CompareNumbers(a, b), 0) << a << " " << b;
    EXPECT_GT(CompareNumbers(b, a), 0) << a << " " << b;
  }
}

TEST(JsonTest, EqualityIgnoresOrderAndSpelling) {
  EXPECT_TRUE(*Parse(R"({"a":1,"b":[1.0]})") == *Parse(R"({"b":[1],"a":1e0})"));
  EXPECT_FALSE(*Parse(R"({"a":1})") == *Parse(R"({"a":"1"})"));
  EXPECT_FALSE(*Parse("[1,2]") == *Parse("[2,1]"));
}

// The examples of RFC 7396, appendix A.
TEST(JsonTest, MergesAsTheRfcSays) {
  struct Case {
    std::string_view target, patch, result;
  };
  for (const Case& c : std::vector<Case>{{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
                                         {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
                                         {R"({"a":"b"})", R"({"a":null})", R"({})"},
                                         {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
                                         {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
                                         {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
                                         {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
                                         {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
                                         {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
                                         {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
                                         {R"({"a":"foo"})", "null", "null"},
                                         {R"({"a":"foo"})", "\"bar\"", "\"bar\""},
                                         {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
                                         {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
                                         {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}}) {
    Value target = *Parse(c.target);
    MergePatch(target, *Parse(c.patch));
    EXPECT_EQ(Print(target), c.result);
  }
}

TEST(JsonTest, LongMergesGiveTheSameAsShortOnes) {
  Value target = Value::MakeObject();
  Value patch = Value::MakeObject();
  Value expected = Value::MakeObject();
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i);
    target.Set(key, Value::Int(i));
    if (i % 3 == 0) patch.Set(key, Value());
    if (i % 3 == 1) patch.Set(key, Value::Int(-i));
    if (i % 3 != 0) expected.Set(key, Value::Int(i % 3 == 1 ? -i : i));
  }
  patch.Set("new", Value::Bool(true));
  expected.Set("new", Value::Bool(true));
  MergePatch(target, patch);
  EXPECT_EQ(Print(target), Print(expected));
}

TEST(JsonTest, RecognisesUtf8) {
  EXPECT_TRUE(IsValidUtf8("a\u00e9\u20ac\U0001F600"));
  for (const std::string_view text : {"\x80", "\xC2", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(IsValidUtf8(text));
  }
  EXPECT_EQ(ClipUtf8("a\u20acb", 3), "a");
  EXPECT_EQ(ClipUtf8("a\u20acb", 4), "a\u20ac");
  EXPECT_EQ(ClipUtf8("ab", 4), "ab");
}

}  // namespace
}  // namespace fleetcast::json
