#include "tools/fleetcast/files.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace fleetcast::files {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(MakeDirectory(root_, 0700).ok()); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  const std::string root_ = testing::TempDir() + "/files." + std::to_string(getpid());
};

TEST_F(FilesTest, ReplacesAFileAndItsPermissions) {
  const std::string path = root_ + "/a";
  ASSERT_TRUE(Replace(path, "one", 0644).ok());
  ASSERT_TRUE(Replace(path, "two", 0600).ok());
  EXPECT_EQ(Read(path).value(), "two");
  struct stat found = {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600);
}

TEST_F(FilesTest, LeavesNothingBesideTheFile) {
  ASSERT_TRUE(Replace(root_ + "/a", "one", 0644).ok());
  const auto files = std::filesystem::directory_iterator(root_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(FilesTest, SaysWhenThereIsNoFile) { EXPECT_TRUE(absl::IsNotFound(Read(root_ + "/none").status())); }

TEST_F(FilesTest, ADirectoryGetsItsPermissions) {
  ASSERT_TRUE(MakeDirectory(root_ + "/b/c", 0711).ok());
  struct stat found = {};
  ASSERT_EQ(stat((root_ + "/b/c").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0711);
  ASSERT_TRUE(Replace(root_ + "/file", "", 0600).ok());
  EXPECT_FALSE(MakeDirectory(root_ + "/file", 0700).ok());
}

}  // namespace
}  // namespace fleetcast::files
