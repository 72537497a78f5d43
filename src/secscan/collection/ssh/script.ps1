# Says what a Windows host is and how it is kept. Reads only, as any account that may log in, and writes nothing.
# Given on standard input behind a line that sets $nonce. Sources: Microsoft's documentation of
# HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion, Win32_OperatingSystem, Get-HotFix, Microsoft.Update.AutoUpdate,
# the "Component Based Servicing" and "Auto Update" RebootRequired keys, PendingFileRenameOperations, and the Windows
# Time service (Parameters\Type: NoSync keeps the clock by nothing; Start 4: the service is disabled).
$ErrorActionPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
function Try-Read([scriptblock] $reading) { try { & $reading } catch { $null } }
function ConvertTo-Seconds($instant) {
    if ($null -eq $instant -or $instant.Year -lt 1980) { return $null }
    [long][math]::Floor(($instant.ToUniversalTime() - [datetime]'1970-01-01').TotalSeconds)
}
$current = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$system = Get-CimInstance Win32_OperatingSystem
$policy = Get-ItemProperty 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
$results = Try-Read { (New-Object -ComObject Microsoft.Update.AutoUpdate).Results }
$settings = Try-Read { (New-Object -ComObject Microsoft.Update.AutoUpdate).Settings }
$renames = (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager').PendingFileRenameOperations
$time = Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time'
$source = (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters').Type
$hotfixes = Try-Read { @(Get-HotFix | ForEach-Object HotFixID | Where-Object { $_ -match '^KB\d+$' }) }
# Windows Server Backup tells administrators and backup operators; shadow copies are told to administrators.
$tool = [bool](Get-Command Get-WBSummary)
$backup = Try-Read { Get-WBSummary -ErrorAction Stop | ForEach-Object { @{
    succeeded = ConvertTo-Seconds $_.LastSuccessfulBackupTime
    last = ConvertTo-Seconds $_.LastBackupTime
    result = [long]$_.LastBackupResultDetailedHR
    versions = [int]$_.NumberOfVersions
} } }
$shadows = Try-Read { @(Get-CimInstance Win32_ShadowCopy -ErrorAction Stop | ForEach-Object {
    @{ at = ConvertTo-Seconds $_.InstallDate; volume = $_.VolumeName }
}) }
$said = @{
    'backup-tool' = $tool
    backup = $backup
    shadows = $shadows
    product = $current.ProductName
    type = $current.InstallationType -replace '^Server Core$', 'Server'
    version = if ($current.DisplayVersion) { $current.DisplayVersion } else { $current.ReleaseId }
    build = $current.CurrentBuildNumber
    revision = $current.UBR
    kernel = $system.Version
    architecture = $env:PROCESSOR_ARCHITECTURE
    booted = ConvertTo-Seconds $system.LastBootUpTime
    hotfixes = $hotfixes
    # Microsoft.Update.AutoUpdate says these in UTC, and marks them as of no zone.
    searched = if ($results.LastSearchSuccessDate) {
        ConvertTo-Seconds ([datetime]::SpecifyKind($results.LastSearchSuccessDate, 'Utc'))
    }
    installed = if ($results.LastInstallationSuccessDate) {
        ConvertTo-Seconds ([datetime]::SpecifyKind($results.LastInstallationSuccessDate, 'Utc'))
    }
    reboot = (Test-Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') -or
        (Test-Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') -or
        [bool]$renames
    synchronised = if ($source) { $source -ne 'NoSync' -and $time.Start -ne 4 }
    'updates-off' = $policy.NoAutoUpdate -eq 1
    options = if ($null -ne $policy.AUOptions) { $policy.AUOptions } elseif ($null -ne $settings) {
        [int]$settings.NotificationLevel
    }
}
$body = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -Compress -Depth 4 $said) + "`n=0")
$now = [long][math]::Floor(([datetime]::UtcNow - [datetime]'1970-01-01').TotalSeconds)
# To the stream itself: what PowerShell writes by its own means is wrapped, encoded and ended with CR LF.
$stream = [Console]::OpenStandardOutput()
$head = [Text.Encoding]::ASCII.GetBytes("`n$nonce begin 1 $now 0`n`n$nonce windows $($body.Length)`n")
$stream.Write($head, 0, $head.Length)
$stream.Write($body, 0, $body.Length)
$tail = [Text.Encoding]::ASCII.GetBytes("`n$nonce end`n")
$stream.Write($tail, 0, $tail.Length)
$stream.Flush()
