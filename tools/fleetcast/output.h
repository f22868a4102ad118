// What commands print on standard output: a table for people, or JSON for programs. Prose and progress go to standard
// error and are not made here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/json/json.h"

namespace fleetcast::cli {

enum class Format {
  kTable,
  kJson,   // One document: an object, or an array for lists.
  kJsonl,  // One object a line.
};

// One thing to print, in both forms.
struct Record {
  json::Value json;
  std::vector<std::string> cells;  // As many as the table has columns.
};

// Columns under their headings, as wide as needed, two blanks between; control characters of cells become blanks. A
// last column is never padded.
std::string FormatTable(const std::vector<std::string>& headings, const std::vector<Record>& records);

// JSON with two blanks of indentation a level, for people who read documents.
std::string FormatPretty(const json::Value& value);

// `records` as a list in the given format.
std::string FormatList(Format format, const std::vector<std::string>& headings, const std::vector<Record>& records);

// One object as "name  value" lines (`names` beside record.cells) or as JSON.
std::string FormatOne(Format format, const std::vector<std::string>& names, const Record& record);

}  // namespace fleetcast::cli
