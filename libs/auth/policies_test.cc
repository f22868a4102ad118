#include "libs/auth/policies.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

constexpr char kPolicyKey[] = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

std::string OnePolicy(const std::string& rights) {
  return absl::StrCat(R"({"policies":[{"name":"p","rights":)", rights, R"(,"primaryKey":")", kPolicyKey,
                      R"(","secondaryKey":")", kPolicyKey, R"("}]})");
}

TEST(RightsTest, WriteIncludesRead) {
  EXPECT_TRUE(Includes(Rights::kRegistryWrite, Rights::kRegistryRead));
  EXPECT_FALSE(Includes(Rights::kRegistryRead, Rights::kRegistryWrite));
  EXPECT_FALSE(Includes(Rights::kServiceConnect, Rights::kDeviceConnect));
}

TEST(PolicySetTest, ReadsTheFile) {
  const absl::StatusOr<PolicySet> policies = PolicySet::FromJson(OnePolicy(R"(["ServiceConnect","RegistryRead"])"));
  ASSERT_TRUE(policies.ok()) << policies.status();
  const Policy* policy = policies->Find("p");
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(policy->rights, Rights::kServiceConnect | Rights::kRegistryRead);
  EXPECT_EQ(policy->keys.primary.ToBase64(), kPolicyKey);
}

TEST(PolicySetTest, NamesAreCaseSensitive) { EXPECT_EQ(PolicySet::FromJson(OnePolicy("[]"))->Find("P"), nullptr); }

TEST(PolicySetTest, WritesWhatItReads) {
  const PolicySet policies = PolicySet::GenerateDefault();
  const absl::StatusOr<PolicySet> again = PolicySet::FromJson(policies.ToJson());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToJson(), policies.ToJson());
}

TEST(PolicySetTest, ANewHubHasFivePoliciesWithDifferentKeys) {
  const PolicySet policies = PolicySet::GenerateDefault();
  EXPECT_EQ(policies.policies().size(), 5u);
  EXPECT_EQ(policies.Find("iothubowner")->rights, Rights::kAll);
  EXPECT_EQ(policies.Find("service")->rights, Rights::kServiceConnect);
  EXPECT_NE(policies.Find("service")->keys.primary.ToBase64(), policies.Find("device")->keys.primary.ToBase64());
}

TEST(PolicySetTest, RefusesBadFilesWithoutShowingKeys) {
  const std::string good = OnePolicy("[]");
  const std::string secret = "U0VDUkVU";  // Too short for a key.
  for (const std::string& text :
       {std::string("not json"), std::string("[]"), std::string(R"({"policies":[1]})"), OnePolicy(R"(["Everything"])"),
        OnePolicy("3"), absl::StrReplaceAll(good, {{kPolicyKey, secret}}),
        absl::StrReplaceAll(good, {{"\"name\":\"p\"", "\"name\":\"\""}}),
        absl::StrReplaceAll(good, {{"secondaryKey", "other"}})}) {
    const absl::Status status = PolicySet::FromJson(text).status();
    EXPECT_EQ(GetReason(status), reasons::kInvalidPolicyFile) << text;
    EXPECT_FALSE(absl::StrContains(status.message(), secret)) << status;
  }
}

TEST(PolicySetTest, RefusesTwoPoliciesOfOneName) {
  EXPECT_FALSE(PolicySet::Create({{"p", Rights::kAll, {}}, {"p", Rights::kAll, {}}}).ok());
}

}  // namespace
}  // namespace fleetcast::auth
