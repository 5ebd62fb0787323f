# cmake -DOUTPUT=<file.cc> -DFOLDER=<models> -P embed_models.cmake
# Writes each model into a C++ source as the constant that sim/models.h declares: lamp.json is kLamp.
file(GLOB files "${FOLDER}/*.json")
list(SORT files)
set(constants "")
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME_WE)
  string(SUBSTRING "${name}" 0 1 first)
  string(SUBSTRING "${name}" 1 -1 rest)
  string(TOUPPER "${first}" first)
  file(READ "${file}" json)
  string(APPEND constants "const std::string_view k${first}${rest} = R\"model(${json})model\";\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"services/fleet/sim/models.h\"

namespace homeport::fleet::models {

${constants}
}  // namespace homeport::fleet::models
")
