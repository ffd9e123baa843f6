# cmake -DOUTPUT=<file.cpp> -DFOLDER=<folder> -P EmbedAssets.cmake: writes a source file with every file of the folder.
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)
set(data "")
set(table "")
set(number 0)
foreach(name IN LISTS files)
    file(READ ${FOLDER}/${name} hex HEX)
    file(SHA256 ${FOLDER}/${name} sum)
    string(SUBSTRING ${sum} 0 16 tag)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
    string(APPEND data "const unsigned char data_${number}[] = {\n${bytes}0};\n")
    string(APPEND table "    {\"${name}\", data_${number}, sizeof(data_${number}) - 1, \"\\\"${tag}\\\"\"},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT}.new "// Made by cmake/EmbedAssets.cmake; do not edit.
#include \"embedded.hpp\"

namespace baton::webui {

namespace {
${data}
const Embedded table[] = {
${table}};
}  // namespace

std::span<const Embedded> embedded() { return table; }

}  // namespace baton::webui
")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
file(REMOVE ${OUTPUT}.new)
