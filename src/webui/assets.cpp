// SPDX-License-Identifier: Apache-2.0
#include "baton/webui/assets.hpp"

#include "embedded.hpp"

#include <list>
#include <map>
#include <string>

namespace baton::webui {

namespace {

std::string_view type_of(std::string_view name) {
    const auto ends = [&](std::string_view suffix) { return name.ends_with(suffix); };
    if (ends(".html")) {
        return "text/html; charset=utf-8";
    }
    if (ends(".css")) {
        return "text/css; charset=utf-8";
    }
    if (ends(".js")) {
        return "text/javascript; charset=utf-8";
    }
    if (ends(".svg")) {
        return "image/svg+xml";
    }
    return "application/octet-stream";
}

struct Table {
    Table() {
        for (const auto& file : embedded()) {
            http::StaticFile asset;
            asset.path = names.emplace_back("/assets/" + std::string(file.name));
            asset.content_type = type_of(file.name);
            asset.body = std::string_view(reinterpret_cast<const char*>(file.data), file.size);
            asset.etag = file.etag;
            files[std::string(asset.path)] = asset;
        }
    }

    std::list<std::string> names;
    std::map<std::string, http::StaticFile, std::less<>> files;
};

}  // namespace

const http::StaticFile* find_asset(std::string_view path) {
    static const Table table;
    const bool page =
        path == "/" || path == "/index.html" || path == "/web" || path.starts_with("/web/");
    const auto found = table.files.find(page ? "/assets/index.html" : path);
    return found == table.files.end() ? nullptr : &found->second;
}

}  // namespace baton::webui
