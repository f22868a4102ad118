#include "libs/base/file_version.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fleetcast {
namespace {

class FileVersionTest : public ::testing::Test {
 protected:
  ~FileVersionTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(directory_);
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  const std::string directory_ = ::testing::TempDir() + "/file_version." + std::to_string(getpid());
};

TEST_F(FileVersionTest, StaysWhileNobodyWrites) {
  const std::string path = Write("file", "a");
  EXPECT_EQ(FileVersion(path), FileVersion(path));
}

TEST_F(FileVersionTest, AnotherFileInItsPlaceIsAnotherVersion) {
  const std::string path = Write("file", "a");
  const FileVersion before(path);
  std::filesystem::rename(Write("next", "b"), path);  // Same size, perhaps within one tick of the clock.
  EXPECT_NE(FileVersion(path), before);
}

// As Kubernetes swaps the link to a Secret's directory.
TEST_F(FileVersionTest, FollowsLinks) {
  const std::string link = directory_ + "/link";
  std::filesystem::create_symlink(Write("one", "a"), link);
  const FileVersion before(link);
  std::filesystem::create_symlink(Write("two", "b"), directory_ + "/link.new");
  std::filesystem::rename(directory_ + "/link.new", link);
  EXPECT_NE(FileVersion(link), before);
}

TEST_F(FileVersionTest, AFileThatIsNotThereIsAVersion) {
  const std::string path = directory_ + "/nothing";
  const FileVersion before(path);
  EXPECT_EQ(FileVersion(path), before);
  Write("nothing", "");
  EXPECT_NE(FileVersion(path), before);
}

}  // namespace
}  // namespace fleetcast
