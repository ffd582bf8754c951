//! Which package provides an import name. Only names known here are ever added to an environment: a name
//! that is guessed could install somebody else's package.

/// Import name to package name, sorted by import name.
#[rustfmt::skip]
const PACKAGES: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("Levenshtein", "levenshtein"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "pillow"),
    ("PyPDF2", "PyPDF2"),
    ("a2wsgi", "a2wsgi"),
    ("aiofiles", "aiofiles"),
    ("aiohttp", "aiohttp"),
    ("aiosqlite", "aiosqlite"),
    ("alembic", "alembic"),
    ("altair", "altair"),
    ("anthropic", "anthropic"),
    ("anyio", "anyio"),
    ("apscheduler", "APScheduler"),
    ("argon2", "argon2-cffi"),
    ("arrow", "arrow"),
    ("asgiref", "asgiref"),
    ("asyncpg", "asyncpg"),
    ("attr", "attrs"),
    ("attrs", "attrs"),
    ("authlib", "Authlib"),
    ("babel", "Babel"),
    ("barcode", "python-barcode"),
    ("bcrypt", "bcrypt"),
    ("beanie", "beanie"),
    ("bleach", "bleach"),
    ("bokeh", "bokeh"),
    ("boto3", "boto3"),
    ("botocore", "botocore"),
    ("brotli", "Brotli"),
    ("bs4", "beautifulsoup4"),
    ("cachetools", "cachetools"),
    ("celery", "celery"),
    ("certifi", "certifi"),
    ("charset_normalizer", "charset-normalizer"),
    ("click", "click"),
    ("cloudpickle", "cloudpickle"),
    ("cryptography", "cryptography"),
    ("cv2", "opencv-python-headless"),
    ("databases", "databases"),
    ("dateparser", "dateparser"),
    ("dateutil", "python-dateutil"),
    ("dill", "dill"),
    ("discord", "discord.py"),
    ("django", "Django"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("duckdb", "duckdb"),
    ("email_validator", "email-validator"),
    ("emoji", "emoji"),
    ("engineio", "python-engineio"),
    ("faker", "Faker"),
    ("fastapi", "fastapi"),
    ("fastapi_pagination", "fastapi-pagination"),
    ("fastmcp", "fastmcp"),
    ("feedparser", "feedparser"),
    ("fitz", "PyMuPDF"),
    ("flask", "Flask"),
    ("folium", "folium"),
    ("gensim", "gensim"),
    ("geopandas", "geopandas"),
    ("geopy", "geopy"),
    ("git", "GitPython"),
    ("github", "PyGithub"),
    ("googleapiclient", "google-api-python-client"),
    ("gunicorn", "gunicorn"),
    ("httpx", "httpx"),
    ("httpx_sse", "httpx-sse"),
    ("humanize", "humanize"),
    ("hypercorn", "hypercorn"),
    ("icalendar", "icalendar"),
    ("ics", "ics"),
    ("imageio", "imageio"),
    ("isodate", "isodate"),
    ("itsdangerous", "itsdangerous"),
    ("jinja2", "Jinja2"),
    ("joblib", "joblib"),
    ("jose", "python-jose"),
    ("jsonpatch", "jsonpatch"),
    ("jsonschema", "jsonschema"),
    ("jwt", "PyJWT"),
    ("langchain", "langchain"),
    ("langchain_core", "langchain-core"),
    ("langchain_openai", "langchain-openai"),
    ("ldap", "python-ldap"),
    ("librosa", "librosa"),
    ("lightgbm", "lightgbm"),
    ("llama_index", "llama-index"),
    ("loguru", "loguru"),
    ("lxml", "lxml"),
    ("magic", "python-magic"),
    ("mako", "Mako"),
    ("markdown", "Markdown"),
    ("markdown2", "markdown2"),
    ("markdown_it", "markdown-it-py"),
    ("matplotlib", "matplotlib"),
    ("mcp", "mcp"),
    ("more_itertools", "more-itertools"),
    ("motor", "motor"),
    ("moviepy", "moviepy"),
    ("msgpack", "msgpack"),
    ("multidict", "multidict"),
    ("multipart", "python-multipart"),
    ("nacl", "PyNaCl"),
    ("nanoid", "nanoid"),
    ("networkx", "networkx"),
    ("nltk", "nltk"),
    ("numba", "numba"),
    ("numpy", "numpy"),
    ("openai", "openai"),
    ("openpyxl", "openpyxl"),
    ("orjson", "orjson"),
    ("packaging", "packaging"),
    ("pandas", "pandas"),
    ("passlib", "passlib"),
    ("peewee", "peewee"),
    ("pendulum", "pendulum"),
    ("phonenumbers", "phonenumbers"),
    ("pkg_resources", "setuptools"),
    ("playwright", "playwright"),
    ("plotly", "plotly"),
    ("polars", "polars"),
    ("pptx", "python-pptx"),
    ("prometheus_client", "prometheus-client"),
    ("prometheus_fastapi_instrumentator", "prometheus-fastapi-instrumentator"),
    ("psutil", "psutil"),
    ("psycopg", "psycopg"),
    ("psycopg2", "psycopg2-binary"),
    ("pyarrow", "pyarrow"),
    ("pycountry", "pycountry"),
    ("pydantic", "pydantic"),
    ("pydantic_settings", "pydantic-settings"),
    ("pydub", "pydub"),
    ("pygments", "Pygments"),
    ("pymongo", "pymongo"),
    ("pymupdf", "PyMuPDF"),
    ("pypdf", "pypdf"),
    ("pyproj", "pyproj"),
    ("pytest", "pytest"),
    ("python_multipart", "python-multipart"),
    ("pytz", "pytz"),
    ("qrcode", "qrcode"),
    ("rapidfuzz", "rapidfuzz"),
    ("redis", "redis"),
    ("regex", "regex"),
    ("reportlab", "reportlab"),
    ("requests", "requests"),
    ("rich", "rich"),
    ("ruamel", "ruamel.yaml"),
    ("scipy", "scipy"),
    ("seaborn", "seaborn"),
    ("selenium", "selenium"),
    ("sentence_transformers", "sentence-transformers"),
    ("sentry_sdk", "sentry-sdk"),
    ("serial", "pyserial"),
    ("setuptools", "setuptools"),
    ("shapely", "shapely"),
    ("shortuuid", "shortuuid"),
    ("six", "six"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slowapi", "slowapi"),
    ("slugify", "python-slugify"),
    ("socketio", "python-socketio"),
    ("soundfile", "soundfile"),
    ("spacy", "spacy"),
    ("sqlalchemy", "SQLAlchemy"),
    ("sqlmodel", "sqlmodel"),
    ("sse_starlette", "sse-starlette"),
    ("starlette", "starlette"),
    ("statsmodels", "statsmodels"),
    ("strawberry", "strawberry-graphql"),
    ("stripe", "stripe"),
    ("structlog", "structlog"),
    ("sympy", "sympy"),
    ("telegram", "python-telegram-bot"),
    ("tenacity", "tenacity"),
    ("tiktoken", "tiktoken"),
    ("toml", "toml"),
    ("tomli", "tomli"),
    ("tomlkit", "tomlkit"),
    ("toolz", "toolz"),
    ("torch", "torch"),
    ("tortoise", "tortoise-orm"),
    ("tqdm", "tqdm"),
    ("transformers", "transformers"),
    ("trio", "trio"),
    ("typer", "typer"),
    ("typing_extensions", "typing-extensions"),
    ("tzlocal", "tzlocal"),
    ("ujson", "ujson"),
    ("ulid", "python-ulid"),
    ("unidecode", "Unidecode"),
    ("urllib3", "urllib3"),
    ("usb", "pyusb"),
    ("user_agents", "user-agents"),
    ("uuid6", "uuid6"),
    ("uvicorn", "uvicorn"),
    ("validators", "validators"),
    ("vobject", "vobject"),
    ("weasyprint", "weasyprint"),
    ("websocket", "websocket-client"),
    ("websockets", "websockets"),
    ("werkzeug", "Werkzeug"),
    ("wsproto", "wsproto"),
    ("xgboost", "xgboost"),
    ("xlsxwriter", "XlsxWriter"),
    ("xmltodict", "xmltodict"),
    ("yaml", "PyYAML"),
    ("yarl", "yarl"),
    ("yt_dlp", "yt-dlp"),
    ("zmq", "pyzmq"),
    ("zstandard", "zstandard"),
];

/// Packages that provide the same import as the one in the table above.
const ALTERNATIVES: &[(&str, &[&str])] = &[
    (
        "cv2",
        &[
            "opencv-python",
            "opencv-contrib-python",
            "opencv-contrib-python-headless",
        ],
    ),
    ("psycopg2", &["psycopg2"]),
    ("magic", &["file-magic"]),
    ("Crypto", &["pycrypto"]),
    ("jwt", &["jwt"]),
    ("jose", &["jose"]),
    ("torch", &["torch-cpu"]),
    ("pydantic", &["sqlmodel", "pydantic-settings", "beanie"]),
    ("sqlalchemy", &["sqlmodel"]),
    ("pymongo", &["motor", "beanie"]),
    (
        "numpy",
        &[
            "pandas",
            "scipy",
            "scikit-learn",
            "matplotlib",
            "opencv-python-headless",
        ],
    ),
    (
        "dateutil",
        &["pandas", "matplotlib", "arrow", "botocore", "boto3"],
    ),
    ("pytz", &["pandas"]),
    ("botocore", &["boto3"]),
    ("urllib3", &["requests", "botocore", "boto3"]),
    ("certifi", &["requests", "httpx"]),
    ("charset_normalizer", &["requests"]),
    ("anyio", &["httpx", "starlette"]),
    ("click", &["uvicorn", "flask", "typer"]),
    ("rich", &["typer"]),
    ("jinja2", &["flask", "torch"]),
    ("werkzeug", &["flask"]),
    ("itsdangerous", &["flask"]),
    ("requests", &["transformers", "huggingface-hub"]),
    ("multidict", &["aiohttp"]),
    ("yarl", &["aiohttp"]),
    ("six", &["python-dateutil"]),
    ("httpx", &["openai", "anthropic", "mcp"]),
    ("engineio", &["python-socketio"]),
    ("pkg_resources", &["setuptools"]),
];

/// What `FastAPI` brings along by itself.
const WITH_FASTAPI: &[&str] = &["starlette", "pydantic", "anyio", "typing-extensions"];

/// What `fastapi[standard]` (or `[all]`) brings along.
pub(super) const WITH_FASTAPI_STANDARD: &[&str] = &[
    "uvicorn",
    "httpx",
    "jinja2",
    "python-multipart",
    "email-validator",
    "websockets",
];

/// The package that provides an import name, if it is known for sure.
pub(super) fn package_for(import: &str) -> Option<&'static str> {
    let at = PACKAGES
        .binary_search_by(|(name, _)| (*name).cmp(import))
        .ok()?;
    Some(PACKAGES[at].1)
}

/// Whether one of the `declared` packages (normalized names) provides an import of a known package.
pub(super) fn provides(declared: &dyn Fn(&str) -> bool, import: &str, package: &str) -> bool {
    let package = super::requirements::normalize(package);
    declared(&package)
        || declared(&super::requirements::normalize(import))
        || WITH_FASTAPI.contains(&package.as_str()) && declared("fastapi")
        || ALTERNATIVES
            .iter()
            .find(|(name, _)| *name == import)
            .is_some_and(|(_, others)| others.iter().any(|other| declared(other)))
}

/// Whether a top-level name belongs to Python itself.
pub(super) fn is_standard(import: &str) -> bool {
    import.starts_with('_') || STANDARD.split_ascii_whitespace().any(|name| name == import)
}

/// The standard library's top-level modules, those of all versions from 3.10 to 3.14.
const STANDARD: &str = "\
    abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit \
    audioop base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath \
    cmd code codecs codeop collections colorsys compileall compression concurrent configparser \
    contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm \
    decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler \
    fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass \
    gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp \
    importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging \
    lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt \
    multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os \
    ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix \
    posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue \
    quopri random re readline reprlib resource rlcompleter runpy sched secrets select \
    selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd \
    sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct \
    subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios \
    textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv \
    warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile \
    zipimport zlib zoneinfo __future__ \
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_differing_packages() {
        assert!(PACKAGES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(package_for("cv2"), Some("opencv-python-headless"));
        assert_eq!(package_for("yaml"), Some("PyYAML"));
        assert_eq!(package_for("something_private"), None);
        assert!(is_standard("asyncio") && is_standard("__future__") && !is_standard("yaml"));
    }
}
