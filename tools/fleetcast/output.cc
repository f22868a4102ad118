#include "tools/fleetcast/output.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace fleetcast::cli {
namespace {

// Terminal escape sequences that came from a device must not reach the terminal.
std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

// Columns that `text` takes: continuation bytes of UTF-8 take none.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

void PrettyTo(const json::Value& value, const std::string& indent, std::string& out) {
  const std::string deeper = indent + "  ";
  if (value.is_object() && !value.object().empty()) {
    out += "{\n";
    for (size_t i = 0; i < value.object().size(); ++i) {
      const json::Member& member = value.object()[i];
      absl::StrAppend(&out, deeper, json::Quote(member.key), ": ");
      PrettyTo(member.value, deeper, out);
      out += i + 1 < value.object().size() ? ",\n" : "\n";
    }
    absl::StrAppend(&out, indent, "}");
  } else if (value.is_array() && !value.array().empty()) {
    out += "[\n";
    for (size_t i = 0; i < value.array().size(); ++i) {
      out += deeper;
      PrettyTo(value.array()[i], deeper, out);
      out += i + 1 < value.array().size() ? ",\n" : "\n";
    }
    absl::StrAppend(&out, indent, "]");
  } else {
    json::PrintTo(value, out);
  }
}

void AppendRow(const std::vector<std::string>& cells, const std::vector<size_t>& widths, std::string& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out += cells[i];
    if (i + 1 < cells.size()) out.append(widths[i] - Width(cells[i]) + 2, ' ');
  }
  out += "\n";
}

}  // namespace

std::string FormatTable(const std::vector<std::string>& headings, const std::vector<Record>& records) {
  std::vector<std::vector<std::string>> rows = {headings};
  for (const Record& record : records) {
    std::vector<std::string>& row = rows.emplace_back(record.cells);
    for (std::string& cell : row) cell = Printable(std::move(cell));
  }
  std::vector<size_t> widths(headings.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) AppendRow(row, widths, out);
  return out;
}

std::string FormatPretty(const json::Value& value) {
  std::string out;
  PrettyTo(value, "", out);
  return out + "\n";
}

std::string FormatList(Format format, const std::vector<std::string>& headings, const std::vector<Record>& records) {
  if (format == Format::kTable) return FormatTable(headings, records);
  std::string out;
  if (format == Format::kJsonl) {
    for (const Record& record : records) absl::StrAppend(&out, json::Print(record.json), "\n");
    return out;
  }
  json::Array elements;
  for (const Record& record : records) elements.push_back(record.json);
  return FormatPretty(json::Value::MakeArray(std::move(elements)));
}

std::string FormatOne(Format format, const std::vector<std::string>& names, const Record& record) {
  if (format == Format::kJson) return FormatPretty(record.json);
  if (format == Format::kJsonl) return json::Print(record.json) + "\n";
  std::string out;
  size_t width = 0;
  for (const std::string& name : names) width = std::max(width, name.size());
  for (size_t i = 0; i < names.size(); ++i) {
    if (record.cells[i].empty()) continue;
    AppendRow({names[i], Printable(record.cells[i])}, {width, 0}, out);
  }
  return out;
}

}  // namespace fleetcast::cli
