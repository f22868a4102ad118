#include "tools/fleetcast/line_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "tools/fleetcast/files.h"

namespace fleetcast::cli {
namespace {

class LineReaderTest : public ::testing::Test {
 protected:
  LineReader Reader(const std::string& text) {
    EXPECT_TRUE(files::Replace(path_, text, 0600).ok());
    absl::StatusOr<LineReader> reader = LineReader::Open(path_);
    EXPECT_TRUE(reader.ok());
    return *std::move(reader);
  }

  const std::string path_ = ::testing::TempDir() + "/line_reader_test";
};

TEST_F(LineReaderTest, ReadsLinesWithAnyEnd) {
  LineReader reader = Reader("one\n\ntwo\r\nlast");
  std::vector<std::string> lines;
  std::string line;
  while (*reader.Next(line)) lines.push_back(line);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two", "last"}));
  EXPECT_EQ(reader.lines(), 4);
  EXPECT_EQ(reader.size(), 14);
}

TEST_F(LineReaderTest, RefusesALineThatIsTooLong) {
  LineReader reader =
      Reader(std::string(LineReader::kLineBytesMax, 'x') + "\n" + std::string(LineReader::kLineBytesMax + 1, 'y'));
  std::string line;
  EXPECT_TRUE(*reader.Next(line));
  EXPECT_EQ(reader.Next(line).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LineReaderTest, SaysThatAFileIsMissing) {
  EXPECT_EQ(LineReader::Open("/nowhere/at/all").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fleetcast::cli
