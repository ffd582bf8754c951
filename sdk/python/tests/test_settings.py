"""Settings of a service: where they come from, and that all that is wrong is told at once."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from settings_help import MINIMAL, dotenv, lonely, problems, warnings
from typing_extensions import Self

from vestibule.errors import ConfigurationError
from vestibule.service import ServiceSettings
from vestibule.service.settings import ServiceSettingsError
from vestibule.service.settings.loading import is_secret

KEY = "Events-Of_Vestibule-0123456789-abcdef"
SECRETS = sorted(name for name, info in ServiceSettings.model_fields.items() if is_secret(info))
SECRET = "s3cr3t-W0rd-nobody-may-read-0123456789"


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lonely(monkeypatch, tmp_path)


def test_four_lines_are_enough() -> None:
    dotenv(
        "ENVIRONMENT=local\nISSUER_URL=https://id.example.com\nTOKEN_AUDIENCE=items\n"
        "PRIVATE_API_SECRET=Shared-With_Vestibule-0123456789-abc\n"
    )
    settings = ServiceSettings()
    assert settings.JWKS_URI == "https://id.example.com/user/.well-known/jwks.json"
    assert settings.INTROSPECTION_URL == "https://id.example.com/user/private/v1/jti-status"
    assert settings.TOKEN_ISSUER == "https://id.example.com"
    assert settings.AUTH_PREFIX == "https://id.example.com/user"
    assert settings.STACK_NAME == "service"
    assert settings.loading_findings == ()


def test_what_follows_from_the_issuers_address_may_be_set_itself() -> None:
    settings = ServiceSettings(
        **MINIMAL, JWKS_URI="https://keys.example.com/set", TOKEN_ISSUER="them", AUTH_PREFIX="/user"
    )
    assert settings.JWKS_URI == "https://keys.example.com/set"
    assert settings.TOKEN_ISSUER == "them"
    assert settings.AUTH_PREFIX == "/user"


@pytest.mark.parametrize(
    "written", ["https://id.example.com/", "https://id.example.com/user", "https://id.example.com/user/"]
)
def test_the_issuers_address_is_understood_with_its_path_too(written: str) -> None:
    settings = ServiceSettings(**{**MINIMAL, "ISSUER_URL": written})
    assert settings.JWKS_URI == "https://id.example.com/user/.well-known/jwks.json"


class TestSources:
    def test_the_environment_beats_the_file_and_the_constructor_beats_both(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dotenv("PROJECT_NAME=from-file\nDOMAIN=file.example.com\nSTACK_NAME=file")
        monkeypatch.setenv("PROJECT_NAME", "from-environment")
        monkeypatch.setenv("DOMAIN", "environment.example.com")
        settings = ServiceSettings(**MINIMAL, DOMAIN="constructor.example.com")
        assert (settings.PROJECT_NAME, settings.DOMAIN) == ("from-environment", "constructor.example.com")
        assert settings.STACK_NAME == "file"

    def test_names_are_found_in_any_case(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("project_name", "items")
        assert ServiceSettings(**MINIMAL).PROJECT_NAME == "items"

    def test_a_secret_may_stand_in_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"\xef\xbb\xbf  from-a-file\r\n")
        dotenv("PRIVATE_API_SECRET=from-dotenv")
        monkeypatch.setenv("PRIVATE_API_SECRET_FILE", str(secret))
        values = {key: value for key, value in MINIMAL.items() if key != "PRIVATE_API_SECRET"}
        settings = ServiceSettings(**values)
        assert settings.PRIVATE_API_SECRET is not None
        assert settings.PRIVATE_API_SECRET.get_secret_value() == "from-a-file"
        monkeypatch.setenv("PRIVATE_API_SECRET", "")  # an empty value is none
        assert SecretStr("from-a-file") == ServiceSettings(**values).PRIVATE_API_SECRET

    @pytest.mark.parametrize("name", SECRETS)
    def test_every_secret_may_stand_in_a_file(self, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        text = "sqlite:///items.db" if name == "DATABASE_URL" else KEY
        (tmp_path / "secret").write_text(text)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
        group = {"DB_HOST": "db", "DB_DATABASE": "items", "DB_USER": "me"} if name == "DB_PASSWORD" else {}
        values = {key: value for key, value in MINIMAL.items() if key != name}
        assert getattr(ServiceSettings(**values, **group), name) == SecretStr(text)

    def test_a_secret_given_twice_is_a_problem(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("one")
        monkeypatch.setenv("EVENT_SIGNING_KEY", "two")
        monkeypatch.setenv("EVENT_SIGNING_KEY_FILE", str(tmp_path / "secret"))
        assert "both in the environment" in problems(**MINIMAL)["EVENT_SIGNING_KEY"]

    def test_a_file_that_is_not_needed_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dotenv("EVENT_SIGNING_KEY_FILE=/run/secrets/only-in-the-container")
        monkeypatch.setenv("EVENT_SIGNING_KEY", KEY)
        assert SecretStr(KEY) == ServiceSettings(**MINIMAL).EVENT_SIGNING_KEY

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (None, "does not exist"),
            (b"", "is empty"),
            (b" \n", "is empty"),
            (b"\xff\xfe", "no UTF-8"),
            (b"a" * 65_537, "longer"),
        ],
    )
    def test_a_secret_file_that_cannot_be_read_is_a_clear_problem(
        self, content: bytes | None, complaint: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "secret"
        if content is not None:
            path.write_bytes(content)
        dotenv(f"EVENT_SIGNING_KEY_FILE={path}")
        told = problems(**MINIMAL)
        assert complaint in told["EVENT_SIGNING_KEY_FILE"]
        assert len(told) == 1

    def test_a_folder_in_the_place_of_a_secret_file_is_explained(self, tmp_path: Path) -> None:
        dotenv(f"EVENT_SIGNING_KEY_FILE={tmp_path}")
        assert "names the folder" in problems(**MINIMAL)["EVENT_SIGNING_KEY_FILE"]

    def test_the_constructor_takes_files_of_secrets_too(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(KEY)
        settings = ServiceSettings(**MINIMAL, EVENT_SIGNING_KEY_FILE=str(tmp_path / "secret"))
        assert SecretStr(KEY) == settings.EVENT_SIGNING_KEY

    @pytest.mark.parametrize("written", ['["a.example.com", "*.b.example.com"]', "a.example.com, *.b.example.com"])
    @pytest.mark.parametrize("where", ["environment", "file", "constructor"])
    def test_list_variables_work_as_commas_and_as_json_from_everywhere(
        self, written: str, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = dict(MINIMAL)
        if where == "environment":
            monkeypatch.setenv("ALLOWED_HOSTS", written)
        elif where == "file":
            dotenv(f"ALLOWED_HOSTS={written}")
        else:
            values["ALLOWED_HOSTS"] = written
        assert ServiceSettings(**values).ALLOWED_HOSTS == ["a.example.com", "*.b.example.com"]

    def test_an_empty_list_variable_is_the_empty_list(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALLOWED_HOSTS", "")
        monkeypatch.setenv("OAUTH_ALLOWED_REDIRECT_SCHEMES", "")
        settings = ServiceSettings(**MINIMAL)
        assert settings.ALLOWED_HOSTS == []
        assert settings.OAUTH_ALLOWED_REDIRECT_SCHEMES == []

    def test_a_list_in_the_wrong_quotes_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALLOWED_HOSTS", "['a.example.com']")
        assert "double quotes" in problems(**MINIMAL)["ALLOWED_HOSTS"]

    def test_empty_values_are_none_and_no_groups_of_metrics_are_no_groups(self) -> None:
        dotenv("SENTRY_DSN=\nREDIS_PASSWORD=\nDB_PORT=\nSET_DOCS=\nMETRICS_GROUPS=\nREDIS_SSL_CA=\nHSTS_MAX_AGE=")
        settings = ServiceSettings(**MINIMAL)
        assert settings.SENTRY_DSN is None
        assert settings.SET_DOCS is True
        assert settings.METRICS_GROUPS == ""
        assert settings.HSTS_MAX_AGE == 31_536_000

    def test_a_file_from_windows_is_read(self) -> None:
        Path(".env").write_bytes("\ufeffPROJECT_NAME=items\r\nDOMAIN=a.example.com\r\n".encode())
        settings = ServiceSettings(**MINIMAL)
        assert (settings.PROJECT_NAME, settings.DOMAIN) == ("items", "a.example.com")

    def test_a_file_that_is_no_text_is_a_clear_problem(self) -> None:
        Path(".env").write_bytes("PROJECT_NAME=Schöning".encode("latin-1"))
        assert "no UTF-8" in problems(**MINIMAL)[".env"]

    def test_lines_that_are_not_understood_are_told(self) -> None:
        dotenv("PROJECT_NAME=items\nthis is no line\nDOMAIN=a.example.com\nDOMAIN=b.example.com\n")
        settings = ServiceSettings(**MINIMAL)
        told = warnings(settings)
        assert settings.DOMAIN == "b.example.com"
        assert "lines 3 and 4" in told["DOMAIN"]
        assert "line 2" in told[".env"]

    def test_quotes_and_comments_that_a_container_engine_left_in_are_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("INTERNAL_CLIENT_ID", '"items"')
        monkeypatch.setenv("CONTRACT_NAME", "items # the name")
        told = warnings(ServiceSettings(**MINIMAL))
        assert "quotation mark" in told["INTERNAL_CLIENT_ID"]
        assert "comment" in told["CONTRACT_NAME"]

    def test_addresses_that_kubernetes_sets_are_no_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service called `redis` makes REDIS_PORT in every container, over what the file says."""
        dotenv("REDIS_PORT=6379")
        monkeypatch.setenv("REDIS_PORT", "tcp://10.96.0.12:6379")
        settings = ServiceSettings(**MINIMAL)
        assert settings.REDIS_PORT == 6379
        assert "Kubernetes" in warnings(settings)["REDIS_PORT"]


class TestNames:
    def test_unknown_names_of_a_shared_file_are_told_and_left_alone(self) -> None:
        dotenv("POSTGRES_PASSWORD=x\nVITE_API=/api\nDB_NAME=items\n")
        told = warnings(ServiceSettings(**MINIMAL))
        assert set(told) == {"POSTGRES_PASSWORD", "VITE_API", "DB_NAME"}
        assert "Did you mean DB_DATABASE?" in told["DB_NAME"]

    def test_a_slip_in_the_file_is_a_problem_that_names_what_was_meant(self) -> None:
        dotenv("ALOWED_HOSTS=a.example.com")
        assert "Did you mean ALLOWED_HOSTS?" in problems(**MINIMAL)["ALOWED_HOSTS"]

    def test_a_slip_in_the_name_of_a_secrets_file_is_one_too(self) -> None:
        dotenv("EVENT_SIGNIN_KEY_FILE=/run/secrets/key")
        assert "Did you mean EVENT_SIGNING_KEY_FILE?" in problems(**MINIMAL)["EVENT_SIGNIN_KEY_FILE"]

    def test_a_slip_in_the_environment_is_told_but_refuses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALOWED_HOSTS", "a.example.com")
        assert "Did you mean ALLOWED_HOSTS?" in warnings(ServiceSettings(**MINIMAL))["ALOWED_HOSTS"]

    def test_a_slip_in_the_environment_is_told_beside_the_problem_it_made(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_AUDIENC", "items")
        with pytest.raises(ServiceSettingsError, match=r"(?s)TOKEN_AUDIENCE: is missing.*TOKEN_AUDIENC: is no setting"):
            ServiceSettings(ISSUER_URL="https://id.example.com", TOKEN_MODE="stateless")

    def test_an_unknown_argument_is_a_problem(self) -> None:
        assert "Did you mean TOKEN_AUDIENCE?" in problems(**MINIMAL, TOKEN_AUDIENC="x")["TOKEN_AUDIENC"]

    def test_settings_of_an_issuer_in_a_shared_file_do_not_stop_a_service(self) -> None:
        dotenv("FIRST_SUPERUSER=a@example.com\nGOOGLE_CLIENT_ID=x\nTOKENS_ENCRYPTION_KEY=x\nSESSION_SECRET=y\n")
        told = warnings(ServiceSettings(**MINIMAL, FIRST_SUPERUSER_PASSWORD="z"))
        assert set(told) == {"TOKENS_ENCRYPTION_KEY", "SESSION_SECRET", "FIRST_SUPERUSER_PASSWORD"}

    def test_a_vault_is_not_silently_left_unread(self) -> None:
        dotenv("SECRET_PROVIDER=vault\nVAULT_ADDR=https://vault:8200\n")
        assert "<NAME>_FILE" in warnings(ServiceSettings(**MINIMAL))["SECRET_PROVIDER"]

    def test_a_file_for_what_is_no_secret_is_told(self) -> None:
        dotenv("DOMAIN_FILE=/run/secrets/domain")
        assert "is no secret" in warnings(ServiceSettings(**MINIMAL))["DOMAIN_FILE"]


class TestProblems:
    def test_all_problems_are_told_at_once(self) -> None:
        """Field problems, problems between fields, problems of sources: one list."""
        dotenv("EVENT_SIGNING_KEY_FILE=/nowhere\nALOWED_HOSTS=a\n")
        told = problems(
            ENVIRONMENT="prod",
            DB_PORT="x",
            DB_HOST="db",
            SET_DOCS="maybe",
            BACKEND_CORS_ORIGINS="https://a.example.com,*",
            REDIS_SSL=True,
            ISSUER_URL="id.example.com",
            TOKN_MODE="stateful",
        )
        assert set(told) == {
            "EVENT_SIGNING_KEY_FILE",
            "ALOWED_HOSTS",
            "ENVIRONMENT",
            "DB_PORT",
            "DB_DATABASE",
            "DB_USER",
            "DB_PASSWORD",
            "SET_DOCS",
            "BACKEND_CORS_ORIGINS",
            "REDIS_SSL_CA",
            "ISSUER_URL",
            "TOKN_MODE",
            "TOKEN_AUDIENCE",
            "PRIVATE_API_SECRET",
        }
        assert "local, development, staging or production" in told["ENVIRONMENT"]
        assert "element 2" in told["BACKEND_CORS_ORIGINS"]

    def test_what_follows_from_a_wrong_setting_is_not_told_as_missing(self) -> None:
        assert set(problems(**{**MINIMAL, "ISSUER_URL": "ftp://id.example.com"})) == {"ISSUER_URL"}

    def test_problems_come_in_the_order_of_the_reference(self) -> None:
        told = list(problems(**{**MINIMAL, "DB_PORT": "x", "ENVIRONMENT": "prod", "SET_DOCS": "x", "TOKEN_MODE": "x"}))
        assert told == ["ENVIRONMENT", "TOKEN_MODE", "DB_PORT", "SET_DOCS"]

    def test_a_number_out_of_its_range_is_told_with_the_range(self) -> None:
        told = problems(**MINIMAL, DB_PORT=0, DB_POOL_TIMEOUT=0, DRAIN_SECONDS=1e9)
        assert told["DB_PORT"] == "has to be at least 1. It is 0. "
        assert told["DB_POOL_TIMEOUT"].startswith("has to be above 0")
        assert told["DRAIN_SECONDS"].startswith("has to be at most 3600")

    def test_the_error_says_where_was_looked_and_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as refused:
            ServiceSettings()
        text = str(refused.value)
        assert text.startswith(
            f"5 problems in the settings of ServiceSettings (read from the environment, {tmp_path}/.env (not there)):"
        )
        assert "Set ISSUER_URL=https://id.example.com, or JWKS_URI, or ACCESS_PUBLIC_KEY_FILE." in text
        assert str(pickle.loads(pickle.dumps(refused.value))) == text

    def test_problems_of_the_apps_own_settings_are_in_the_same_list(self) -> None:
        class Items(ServiceSettings):
            ITEMS_LIMIT: int = Field(description="How many items a page holds.")
            ITEMS_COLOUR: str = "blue"

            @field_validator("ITEMS_COLOUR")
            @classmethod
            def no_red(cls, value: str) -> str:
                if value == "red":
                    message = "is not to be red"
                    raise ValueError(message)
                return value

        told = problems(Items, ITEMS_COLOUR="red", ENVIRONMENT="local")
        assert told["ITEMS_LIMIT"] == "is missing. How many items a page holds."
        assert "is not to be red" in told["ITEMS_COLOUR"]
        assert "TOKEN_AUDIENCE" in told

    def test_a_validator_of_the_whole_app_sees_what_was_derived(self) -> None:
        class Items(ServiceSettings):
            @model_validator(mode="after")
            def looked_at(self) -> Self:
                assert self.JWKS_URI
                if self.PROJECT_NAME == "service":
                    message = "the project needs a name"
                    raise ValueError(message)
                return self

        assert Items(**MINIMAL, PROJECT_NAME="items").PROJECT_NAME == "items"
        assert problems(Items, **MINIMAL) == {"Items": "the project needs a name. "}

    def test_what_the_apps_own_validators_raise_otherwise_is_theirs(self) -> None:
        class Items(ServiceSettings):
            @model_validator(mode="after")
            def reads(self) -> Self:
                Path("absent").read_text()
                return self

        with pytest.raises(FileNotFoundError):
            Items(**MINIMAL)

    def test_a_validator_of_the_whole_app_cannot_show_a_secret_either(self) -> None:
        class Items(ServiceSettings):
            @model_validator(mode="after")
            def tells(self) -> Self:
                message = f"{self.PRIVATE_API_SECRET.get_secret_value() if self.PRIVATE_API_SECRET else ''} is no good"
                raise ValueError(message)

        assert problems(Items, **MINIMAL) == {"Items": "********** is no good. "}

    @pytest.mark.parametrize("name", sorted(ServiceSettings.model_fields))
    def test_every_setting_can_be_given_as_text(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever stands in the environment, the answer is settings or a list of problems."""
        for text in ("x", "1", "true", "[", "a b", "\u00e4", "https://x", "/x"):
            monkeypatch.setenv(name, text)
            try:
                ServiceSettings(**{key: value for key, value in MINIMAL.items() if key != name})
            except ServiceSettingsError as error:
                told = {problem.setting for problem in error.problems}
                assert told, name


class TestSecrets:
    @pytest.mark.parametrize("name", SECRETS)
    def test_secrets_are_in_no_representation(self, name: str) -> None:
        value = "postgresql://me:" + SECRET + "@db/items" if name == "DATABASE_URL" else SECRET
        group = {"DB_HOST": "db", "DB_DATABASE": "items", "DB_USER": "me"} if name == "DB_PASSWORD" else {}
        settings = ServiceSettings(**{**MINIMAL, name: value}, **group)
        shown = (
            f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {settings.loading_findings}"
        )
        assert SECRET not in shown
        assert SECRET not in repr(settings.database_address)

    @pytest.mark.parametrize("name", SECRETS)
    def test_secrets_are_in_no_error_and_no_traceback(self, name: str) -> None:
        with pytest.raises(ServiceSettingsError) as refused:
            # Wrong in every way: a list in place of text, beside other problems.
            ServiceSettings(**{name: [SECRET], "ENVIRONMENT": "prod"})
        assert SECRET not in "".join(traceback.format_exception(refused.value))
        dotenv(f"{name}={SECRET}\n{name}={SECRET}\nTOKEN_AUDIENC={SECRET}\n'{SECRET}\n")
        with pytest.raises(ServiceSettingsError) as refused:
            ServiceSettings()
        assert SECRET not in "".join(traceback.format_exception(refused.value))

    def test_an_apps_own_complaint_does_not_show_its_secret(self) -> None:
        class Items(ServiceSettings):
            ITEMS_KEY: SecretStr

            @field_validator("ITEMS_KEY")
            @classmethod
            def refuse(cls, value: SecretStr) -> SecretStr:
                message = f"{value.get_secret_value()} is no key"
                raise ValueError(message)

        assert problems(Items, **MINIMAL, ITEMS_KEY=SECRET)["ITEMS_KEY"] == "********** is no key. "

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(SECRETS), st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=12))
    def test_no_secret_is_repeated_whatever_it_holds(self, name: str, text: str) -> None:
        value = f"Zq7#{text}"  # so that it is no word of the settings themselves
        try:
            shown = repr(ServiceSettings(**{**MINIMAL, name: value}))
        except ServiceSettingsError as error:
            shown = str(error)
        assert value not in shown
        assert value.strip() not in shown


class TestSubclasses:
    def test_an_app_adds_settings_of_its_own(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        class Items(ServiceSettings):
            """Settings of the items service."""

            ITEMS_LIMIT: int = 10
            ITEMS_TAGS: list[str] = Field(default=[])
            ITEMS_SIZES: list[int] = Field(default=[])
            ITEMS_PAIRS: dict[str, int] = Field(default={})
            ITEMS_KEY: SecretStr | None = None
            renamed: Annotated[str, Field(validation_alias="ITEMS_NAME")] = "none"

        (tmp_path / "key").write_text("the key")
        monkeypatch.setenv("ITEMS_LIMIT", "20")
        monkeypatch.setenv("ITEMS_TAGS", "a, b")
        monkeypatch.setenv("ITEMS_SIZES", "1,2")
        monkeypatch.setenv("ITEMS_PAIRS", '{"a": 1}')
        monkeypatch.setenv("ITEMS_KEY_FILE", str(tmp_path / "key"))
        dotenv("ITEMS_NAME=things\n")
        settings = Items(**MINIMAL)
        assert settings.ITEMS_LIMIT == 20
        assert settings.ITEMS_TAGS == ["a", "b"]
        assert settings.ITEMS_SIZES == [1, 2]
        assert settings.ITEMS_PAIRS == {"a": 1}
        assert SecretStr("the key") == settings.ITEMS_KEY
        assert settings.renamed == "things"
        assert settings.loading_findings == ()

    def test_an_app_changes_defaults_and_types_of_ours(self) -> None:
        class Items(ServiceSettings):
            TOKEN_AUDIENCE: str = "items"
            PROJECT_NAME: str = "items"
            DB_PORT: int | None = 6543

        values = {key: value for key, value in MINIMAL.items() if key != "TOKEN_AUDIENCE"}
        settings = Items(**values)
        assert settings.TOKEN_AUDIENCE == "items"
        assert settings.STACK_NAME == "items"

    def test_an_app_names_its_own_file_and_may_read_none(self, tmp_path: Path) -> None:
        (tmp_path / "items.env").write_text("PROJECT_NAME=items\nITEMS_LIMIT=3")
        dotenv("PROJECT_NAME=other")

        class Items(ServiceSettings):
            model_config = SettingsConfigDict(env_file=(tmp_path / "items.env", tmp_path / "absent.env"))
            ITEMS_LIMIT: int = 10

        assert (Items(**MINIMAL).PROJECT_NAME, Items(**MINIMAL).ITEMS_LIMIT) == ("items", 3)
        nothing: dict[str, Any] = {"_env_file": None}
        assert Items(**MINIMAL, **nothing).PROJECT_NAME == "service"

    def test_an_app_may_have_a_prefix_and_nested_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Items(ServiceSettings):
            model_config = SettingsConfigDict(env_prefix="ITEMS_", env_nested_delimiter="__")
            LIMITS: dict[str, int] = Field(default={})

        monkeypatch.setenv("ITEMS_PROJECT_NAME", "items")
        dotenv("ITEMS_LIMITS__PAGE=5\n")
        settings = Items(**MINIMAL)
        assert settings.PROJECT_NAME == "items"
        assert settings.LIMITS == {"page": 5}
        assert settings.loading_findings == ()

    def test_settings_are_validated_from_a_mapping_too(self) -> None:
        assert ServiceSettings.model_validate(MINIMAL).JWKS_URI is not None
        with pytest.raises(ServiceSettingsError):
            ServiceSettings.model_validate({})
