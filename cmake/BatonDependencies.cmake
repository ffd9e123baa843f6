find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)
if(BATON_TESTS)
    find_package(GTest REQUIRED)
endif()

# Optional: polling allocates many small texts, which costs an eighth less with it (scripts/bench poll).
find_library(JEMALLOC_LIBRARY jemalloc)

# Either client library: Oracle's libmysqlclient or MariaDB Connector/C. Which one it is only its header tells.
find_path(MYSQL_INCLUDE_DIR mysql.h PATH_SUFFIXES mysql mariadb REQUIRED)
find_library(MYSQL_CLIENT_LIBRARY NAMES mysqlclient mariadb PATH_SUFFIXES mysql mariadb REQUIRED)
add_library(mysql_client INTERFACE)
target_include_directories(mysql_client SYSTEM INTERFACE ${MYSQL_INCLUDE_DIR})
target_link_libraries(mysql_client INTERFACE ${MYSQL_CLIENT_LIBRARY})
